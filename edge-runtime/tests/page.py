"""The page of `edge-runtime try` in a headless Chromium, whose camera plays photographs of drawn people.

    page.py PROGRAM BUNDLE PEOPLE CHROMIUM [SHOTS]

PEOPLE is what `host-trainer synthesize --people 1` writes, with the landmarks that the bundle's own detector
finds there. The person enrolls by looking, and the door opens; forgotten, the same person stays outside. Another
drawn person proves nothing: networks trained on photographs find drawn people much alike. Prints what was
measured; needs Playwright. SHOTS is a folder for pictures of the page on the way, as of docs/try.gif.
"""

import base64
import csv
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from playwright.sync_api import sync_playwright

# Some may be refused for their light or sharpness.
PHOTOGRAPHS_OF_A_VIEW = 4
# A third of a second, as a head is held for a moment.
FRAMES_OF_A_PHOTOGRAPH = 10
# As an enrollment asks for them, edge-runtime/src/trial/enrolling.rs.
VIEWS = {"ahead": (-0.1, 0.1), "left": (0.14, 0.35), "right": (-0.35, -0.14)}
PATIENCE_MS = 60_000


def yaw(row):
    """As edge-runtime/src/quality.rs measures it."""
    number = lambda name: complex(float(row[name + "_x"]), float(row[name + "_y"]))
    eyes = (number("right_eye") + number("left_eye")) / 2
    mouth = (number("mouth_right") + number("mouth_left")) / 2
    across, down = number("left_eye") - number("right_eye"), mouth - eyes
    cross = lambda a, b: a.real * b.imag - a.imag * b.real
    return cross(number("nose") - eyes, down) / cross(across, down)


def photographs(people):
    """Some of each view, one view after the other."""
    found = {view: [] for view in VIEWS}
    with open(people / "landmarks.csv", newline="") as table:
        for row in csv.DictReader(table):
            for view, (least, most) in VIEWS.items():
                if least <= yaw(row) <= most:
                    found[view].append(people / "images" / row["path"])
    return [path for paths in found.values() for path in paths[:PHOTOGRAPHS_OF_A_VIEW]]


def film(browser, shown, path):
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
        for photograph in shown:
            url = "data:image/png;base64," + base64.b64encode(photograph.read_bytes()).decode()
            out.write(base64.b64decode(page.evaluate(encode, url)) * FRAMES_OF_A_PHOTOGRAPH)
    page.close()


def launch(playwright, chromium, *options):
    # As root, as in a container, Chromium has no sandbox.
    return playwright.chromium.launch(executable_path=shutil.which(chromium), args=["--no-sandbox", *options])


def watch(playwright, chromium, url, film_of, act):
    """Opens the page with a camera that plays a film, allows the camera, and does something."""
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    if film_of:
        camera.append(f"--use-file-for-fake-video-capture={film_of}")
    browser = launch(playwright, chromium, *camera)
    page = browser.new_page(viewport={"width": 1000, "height": 640})
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: line.type == "error" and faults.append(line.text))
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    result = act(page)
    browser.close()
    assert not faults, faults
    return result


def shoot(page):
    if len(sys.argv) > 5:
        folder = pathlib.Path(sys.argv[5])
        page.screenshot(path=folder / f"{len(list(folder.iterdir())):03}.png")


def until(page, condition):
    # The page's own policy forbids what Playwright would wait with.
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
        shoot(page)
    raise AssertionError(f"never: {condition}; last: {text(page, 'reason')} {text(page, 'said')}")


def text(page, name):
    return page.locator("#" + name).inner_text()


def enrolls(page):
    until(page, "document.getElementById('times').textContent !== ''")
    first = page.evaluate("performance.now()") / 1e3
    assert text(page, "people") == "nobody" and text(page, "lock") == "LOCKED"
    page.click("#enroll")
    until(page, "!document.getElementById('cancel').hidden && !document.getElementById('wish').hidden")
    page.click("#cancel")
    until(page, "document.getElementById('cancel').hidden && document.getElementById('wish').hidden")
    page.fill("#name", "ada")
    page.click("#enroll")
    until(page, "document.getElementById('said').textContent.startsWith('enrolled ada from 3 views')")
    assert text(page, "people") == "ada"
    until(page, "document.getElementById('lock').textContent === 'OPEN'")
    shoot(page)
    # The picture, and the crop's outline and the landmarks upon it, green as somebody is let in.
    until(page, """() => {
        const canvas = document.getElementById("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const colors = new Uint32Array(data.buffer);
        const green = colors.filter((color) => color === 0xff6ad339).length;
        return new Set(colors).size > 1000 && green > 500;
    }""")
    assert page.locator("#quality tr").count() == 9
    return first, text(page, "times")


def is_forgotten(page):
    until(page, "document.getElementById('people').textContent === 'ada'")
    page.click("#forget")
    until(page, "document.getElementById('people').textContent === 'nobody'")
    # It may be open from before.
    until(page, "document.getElementById('lock').textContent === 'LOCKED'")
    until(page, "document.getElementById('reason').textContent.includes('nobody is enrolled')")
    for _ in range(20):
        assert text(page, "lock") == "LOCKED", text(page, "reason")
        page.wait_for_timeout(100)


def sees_no_face(page):
    until(page, "document.getElementById('reason').textContent.includes('no face')")


def main():
    program, bundle, people, chromium = sys.argv[1:5]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = pathlib.Path(folder)
        browser, reel = launch(playwright, chromium), folder / "ada.mjpeg"
        film(browser, photographs(pathlib.Path(people)), reel)
        browser.close()
        command = [program, "try", "--bundle", bundle, "--listen", "127.0.0.1:0"]
        began = time.monotonic()
        door = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = next(line.split()[1] for line in door.stdout if line.startswith("open "))
            ready = time.monotonic() - began
            watch(playwright, chromium, url, None, sees_no_face)
            first, times = watch(playwright, chromium, url, reel, enrolls)
            watch(playwright, chromium, url, reel, is_forgotten)
        finally:
            door.terminate()
            door.wait()
    print(
        f"page: ready after {ready:.2f} s, first decision {first:.2f} s after the page was asked for; enrolled, opened, "
        f"forgotten; last frame {times}"
    )


main()
