"""The page of `edge-runtime try` in a headless Chromium, whose camera plays photographs of drawn people.

    page.py PROGRAM BUNDLE PEOPLE CHROMIUM

PEOPLE is what `host-trainer synthesize --people 2` writes. The first person enrolls by looking, and the door
opens; then the second comes, and it stays locked. Prints what was measured; needs Playwright.
"""

import base64
import csv
import pathlib
import subprocess
import sys
import tempfile
import time

from playwright.sync_api import sync_playwright

# Twice a view, as the door looks some ten times a second.
FRAMES_OF_A_VIEW = 20
# Turned as far as an enrollment asks for, with room for a detector's error.
VIEWS = {"ahead": (-0.05, 0.05), "left": (0.18, 0.32), "right": (-0.32, -0.18)}
PATIENCE_MS = 60_000


def yaw(row):
    """As edge-runtime/src/quality.rs measures it."""
    number = lambda name: complex(float(row[name + "_x"]), float(row[name + "_y"]))
    eyes = (number("right_eye") + number("left_eye")) / 2
    mouth = (number("mouth_right") + number("mouth_left")) / 2
    across, down = number("left_eye") - number("right_eye"), mouth - eyes
    cross = lambda a, b: a.real * b.imag - a.imag * b.real
    return cross(number("nose") - eyes, down) / cross(across, down)


def views(people):
    """For each person, a list of photographs of each view."""
    found = {}
    with open(people / "landmarks.csv", newline="") as table:
        for row in csv.DictReader(table):
            of_person = found.setdefault(row["path"].split("/")[0], {view: [] for view in VIEWS})
            for view, (least, most) in VIEWS.items():
                if least <= yaw(row) <= most:
                    of_person[view].append(people / "images" / row["path"])
    return list(found.values())


def film(browser, photographs, path):
    """Photographs as the motion JPEG that Chromium's camera plays: the browser encodes them itself."""
    page = browser.new_page()
    encode = """async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [640, 480];
        canvas.getContext("2d").drawImage(image, 0, 0, 640, 480);
        return canvas.toDataURL("image/jpeg", 0.95).split(",")[1];
    }"""
    with open(path, "wb") as out:
        for photograph in photographs:
            url = "data:image/png;base64," + base64.b64encode(photograph.read_bytes()).decode()
            out.write(base64.b64decode(page.evaluate(encode, url)) * FRAMES_OF_A_VIEW)
    page.close()


def launch(playwright, chromium, *options):
    # As root, as in a container, Chromium has no sandbox.
    return playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *options])


def watch(playwright, chromium, url, film_of, act):
    """Opens the page with a camera that plays a film, allows the camera, and does something."""
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    if film_of:
        camera.append(f"--use-file-for-fake-video-capture={film_of}")
    browser = launch(playwright, chromium, *camera)
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: line.type == "error" and faults.append(line.text))
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    result = act(page)
    browser.close()
    assert not faults, faults
    return result


def until(page, condition):
    # The page's own policy forbids what Playwright would wait with.
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {condition}; last: {text(page, 'reason')} {text(page, 'said')}")


def text(page, name):
    return page.locator("#" + name).inner_text()


def enrolls(page):
    until(page, "document.getElementById('times').textContent !== ''")
    assert text(page, "people") == "nobody" and text(page, "lock") == "LOCKED"
    page.fill("#name", "ada")
    page.click("#enroll")
    until(page, "document.getElementById('said').textContent.startsWith('enrolled ada from 3 views')")
    assert text(page, "people") == "ada"
    until(page, "document.getElementById('lock').textContent === 'OPEN'")
    # The picture, with something drawn on it.
    colors = page.evaluate("""() => {
        const canvas = document.getElementById("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    }""")
    assert colors > 1000, colors
    assert page.locator("#quality tr").count() == 9
    return text(page, "times")


def stays_locked(page):
    until(page, "document.getElementById('numbers').textContent.includes('agree')")
    opened = 0
    for _ in range(20):
        opened += text(page, "lock") == "OPEN"
        page.wait_for_timeout(100)
    assert opened == 0
    # Nobody is known any more.
    page.click("#forget")
    until(page, "document.getElementById('people').textContent === 'nobody'")


def sees_no_face(page):
    until(page, "document.getElementById('reason').textContent.includes('no face')")


def main():
    program, bundle, people, chromium = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = pathlib.Path(folder)
        browser = launch(playwright, chromium)
        films = []
        for number, of_person in enumerate(views(pathlib.Path(people))):
            empty = [view for view, photographs in of_person.items() if not photographs]
            assert not empty, f"no photograph of view {empty}: draw more pictures"
            films.append(folder / f"{number}.mjpeg")
            film(browser, [photographs[0] for photographs in of_person.values()], films[-1])
        browser.close()
        command = [program, "try", "--bundle", bundle, "--listen", "127.0.0.1:0"]
        began = time.monotonic()
        door = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = next(line.split()[1] for line in door.stdout if line.startswith("open "))
            ready = time.monotonic() - began
            watch(playwright, chromium, url, None, sees_no_face)
            times = watch(playwright, chromium, url, films[0], enrolls)
            watch(playwright, chromium, url, films[1], stays_locked)
        finally:
            door.terminate()
            door.wait()
    print(f"page: ready after {ready:.2f} s; enrolled, opened, stayed locked for another; last frame {times}")


main()
