"""A reader's JupyterLab in a real browser: `./course lab` is started on the small data, lessons are opened and run, and the
browser looks at all of each, a screen at a time. No cell may show an error or a terminal's escape codes, and every figure
must have at least the pixels that it is shown with. Without Chromium it says so and checks nothing. Notebooks stay as they are.

Run with: target/lab/bin/python tests/lab_in_a_browser.py [--pictures FOLDER] [02 10 …]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from site_in_a_browser import browser

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ["02", "10"]
SCREEN = (1280, 900)
# Seconds a lesson may take, and until the server answers: it sets up what is missing.
LESSON, SERVER = 600, 900
# What would get in the way of looking: saving by itself, and questions about news.
SETTINGS = {
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

READY = "!!document.querySelector('.jp-NotebookPanel .jp-Notebook .jp-Cell') && !document.querySelector('#jupyterlab-splash')"
# Run › Restart Kernel and Run All Cells, by its button; and yes.
RUN_ALL, YES = '.jp-NotebookPanel [data-command="notebook:restart-run-all"]', ".jp-Dialog .jp-mod-accept"
SCROLLED = "document.querySelector('.jp-Notebook .jp-WindowedPanel-outer') || document.querySelector('.jp-Notebook')"
SEEN = """(async () => {
  const panel = document.querySelector('.jp-Notebook');
  const images = [...panel.querySelectorAll('.jp-OutputArea-output img')];
  await Promise.all(images.map(image => image.decode().catch(() => null)));
  const outer = %s, frame = outer.getBoundingClientRect();
  const errors = '[data-mime-type="application/vnd.jupyter.stderr"], [data-mime-type="application/vnd.jupyter.error"]';
  return JSON.stringify({
    top: outer.scrollTop, height: outer.scrollHeight, screen: outer.clientHeight,
    errors: [...panel.querySelectorAll(errors)].map(e => e.innerText.slice(0, 200)),
    codes: [...panel.querySelectorAll('.jp-OutputArea-output')].filter(e => /\\u001b\\[|\\[[0-9;]+m/.test(e.innerText)).length,
    blurred: images.filter(i => i.naturalWidth < i.getBoundingClientRect().width).map(i => [i.naturalWidth, i.width]),
    wide: [...panel.querySelectorAll('.jp-OutputArea-output img, .jp-OutputArea-output table')]
      .filter(e => e.getBoundingClientRect().right > frame.right + 1).map(e => e.outerHTML.slice(0, 80)),
    images: images.map(i => i.src.length + i.src.slice(-60)),
  });
})()""" % SCROLLED


class Lab:
    """`./course lab` with settings and run-time files of its own."""

    def __init__(self, folder):
        self.folder = folder
        for name, values in SETTINGS.items():
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        environment = {name: str(folder / part) for name, part in {
            "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config"}.items()}
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(["./course", "lab", "--no-browser"], cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT,
                                        env={**os.environ, **environment, "LCZ_QUICK": "1"}, start_new_session=True)
        self.server = self.wait()

    def wait(self):
        began = time.time()
        while time.time() - began < SERVER and self.process.poll() is None:
            for path in self.folder.glob("runtime/jpserver-*.json"):
                try:
                    return json.loads(path.read_text())
                except ValueError:
                    pass # being written
            time.sleep(0.5)
        self.stop()
        sys.exit("error: ./course lab does not answer:\n" + (self.folder / "log").read_text()[-2000:])

    def address(self, path):
        return f"{self.server['url']}{path}?token={self.server['token']}"

    def kernels(self):
        return json.load(urllib.request.urlopen(self.address("api/kernels")))

    def shut_down_kernels(self):
        for kernel in self.kernels():
            urllib.request.urlopen(urllib.request.Request(self.address(f"api/kernels/{kernel['id']}"), method="DELETE"))

    def stop(self):
        if self.process.poll() is None:
            # Jupyter asks once, and ends at the second time at once; its kernels end with it.
            os.kill(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


def ask(page, expression):
    answer = page.ask("Runtime.evaluate", expression=expression, awaitPromise=True)
    if "exceptionDetails" in answer:
        raise RuntimeError(json.dumps(answer["exceptionDetails"])[:500])
    return answer["result"].get("value")


def click(page, selector):
    """Clicks on an element with the mouse, as JupyterLab's buttons want it; whether it is there."""
    place = ask(page, f"""(element => {{
        if (!element) return null;
        const area = element.getBoundingClientRect();
        return JSON.stringify([area.x + area.width / 2, area.y + area.height / 2]);
    }})(document.querySelector({json.dumps(selector)}))""")
    if place is None:
        return False
    x, y = json.loads(place)
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        page.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    return True


def until(what, seconds, true):
    began = time.time()
    while time.time() - began < seconds:
        if true():
            return
        time.sleep(0.3)
    sys.exit(f"error: {what}: not within {seconds} s")


def is_idle(lab):
    """No kernel has had anything to do for three seconds."""
    for _ in range(4):
        kernels = lab.kernels()
        if not kernels or any(kernel["execution_state"] != "idle" for kernel in kernels):
            return False
        time.sleep(1)
    return True


def look(page, name, pictures):
    """Scrolls through a notebook; all that is wrong with it, and the figures that it shows."""
    wrong, images, place = [], set(), 0
    ask(page, f"({SCROLLED}).scrollTop = 0")
    while True:
        # Cells appear when they come into sight, and heights change with them.
        time.sleep(0.7)
        seen = json.loads(ask(page, SEEN))
        for kind in ("errors", "codes", "blurred", "wide"):
            if seen[kind]:
                wrong.append(f"{name}, screen {place}: {kind}: {seen[kind]}")
        images |= set(seen["images"])
        if pictures:
            page.screenshot(pictures / f"lab-{name}-{place:02}.png")
        if seen["top"] + seen["screen"] >= seen["height"] - 2 or place > 99:
            return wrong, images
        place += 1
        ask(page, f"({SCROLLED}).scrollTop += {seen['screen'] - 60}")


def lesson(page, lab, path, pictures):
    page.ask("Page.navigate", url=lab.address(f"lab/tree/{path.name}") + "&reset")
    until("JupyterLab shows the notebook", 120, lambda: ask(page, READY))
    until("the kernel starts", 120, lambda: is_idle(lab))
    began = time.time()
    until("the button to run all", 20, lambda: click(page, RUN_ALL))
    until("the question whether to restart", 20, lambda: click(page, YES))
    until("the kernel is busy", 60, lambda: any(kernel["execution_state"] != "idle" for kernel in lab.kernels()))
    until(f"{path.name} is done", LESSON, lambda: is_idle(lab))
    took = time.time() - began
    wrong, images = look(page, path.stem[:2], pictures)
    drawn = path.read_text().count('"image/png"')
    if len(images) < drawn:
        wrong.append(f"{path.name}: {len(images)} figures in place of {drawn}")
    print(f"{path.name}: {took:.0f} s, {len(images)} figures, {'ok' if not wrong else 'FAILED'}", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", default=LESSONS)
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    given = parser.parse_args()
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    paths = [path for lesson in given.lessons for path in sorted((ROOT / "notebooks").glob(f"{lesson}*.ipynb"))]
    assert paths, f"no lessons {given.lessons}"
    wrong = []
    with browser() as page, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if page is None:
            return
        page.ask("Emulation.setDeviceMetricsOverride", width=SCREEN[0], height=SCREEN[1], deviceScaleFactor=1, mobile=False)
        lab = Lab(Path(folder))
        try:
            for path in paths:
                wrong += lesson(page, lab, path, given.pictures)
                lab.shut_down_kernels()
        except SystemExit:
            if given.pictures:
                page.screenshot(given.pictures / "stuck.png")
            raise
        finally:
            lab.stop()
    if wrong:
        sys.exit("error: " + "\n".join(wrong))
    print(f"{len(paths)} lessons look well in JupyterLab")


main()
