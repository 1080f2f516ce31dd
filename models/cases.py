"""Draws models/cases.png: where the default bundle fails, on drawn people.

    cases.py EDGE_RUNTIME HOST_TRAINER BUNDLE CHROMIUM OUT.png

Of twenty drawn people of twelve pictures each: the pictures least like the same person's first good one, the
strangers most alike, and pictures that are refused before they are compared, with the reason. Needs Playwright.
"""

import base64
import html
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

PEOPLE, PICTURES, SHOWN = 20, 12, 5


def compare(program, bundle, a, b):
    """Score and threshold, or why there is none."""
    command = [program, "verify", "--json", "--bundle", bundle, a, b]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 2:
        return None, done.stderr.strip().removeprefix("error: ").split(": ", 1)[-1]
    said = json.loads(done.stdout)
    return said["score"], said["threshold"]


def picture(path):
    return f'<img src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'


def row(title, cases):
    cells = "".join(
        f"<td>{picture(a)}{picture(b) if b else ''}<br>{html.escape(said)}</td>" for a, b, said in cases
    )
    return f"<tr><th>{html.escape(title)}</th>{cells}</tr>"


def main():
    program, trainer, bundle, chromium, out = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        draw = [trainer, "synthesize", "--first-person", "7000", "--people", str(PEOPLE)]
        subprocess.run(draw + ["--pictures", str(PICTURES), "--out", folder], check=True, capture_output=True)
        # The bundle's own detector is to find the faces.
        pathlib.Path(folder, "landmarks.csv").unlink()
        images = pathlib.Path(folder, "images")
        references, genuine, refused, strangers = [], [], {}, []
        for person in sorted(images.iterdir()):
            pictures = sorted(person.iterdir())
            reference = None
            for path in pictures:
                score, said = compare(program, bundle, path, reference or path)
                if score is None:
                    refused.setdefault(said.split(";")[0], (path, None, said.split(";")[0]))
                elif reference is None:
                    reference = path
                else:
                    genuine.append((score, reference, path, said))
            if reference:
                references.append(reference)
        for i, a in enumerate(references):
            for b in references[:i]:
                score, said = compare(program, bundle, a, b)
                strangers.append((score, a, b, said))
        tell = lambda cases: [(a, b, f"score {s:.3f}, threshold {t:.3f}") for s, a, b, t in cases]
        # Not of one person alone, whose first picture may be odd.
        worst = {}
        for case in sorted(genuine, key=lambda case: case[0]):
            worst.setdefault(case[1], case)
        strangers.sort(key=lambda case: -case[0])
        missed = sum(score < threshold for score, _, _, threshold in genuine)
        matched = sum(score >= threshold for score, _, _, threshold in strangers)
        page = f"""<meta charset="utf-8"><style>
            body {{ font: 13px sans-serif; margin: 8px; }} td {{ text-align: center; padding: 4px; vertical-align: top; }}
            th {{ width: 110px; text-align: left; }} img {{ width: 104px; margin: 1px; }}</style><table>
            {row(f"the same person: {missed} of {len(genuine)} pairs missed", tell(list(worst.values())[:SHOWN]))}
            {row(f"strangers: {matched} of {len(strangers)} pairs match", tell(strangers[:SHOWN]))}
            {row("refused before they are compared", list(refused.values())[:SHOWN])}</table>"""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which(chromium), args=["--no-sandbox"])
            window = browser.new_page(viewport={"width": 1300, "height": 400})
            window.set_content(page)
            window.locator("table").screenshot(path=out)
            browser.close()
    print(f"{missed} of {len(genuine)} pairs of one person missed, {matched} of {len(strangers)} pairs of strangers match")


main()
