"""The site of notebooks in a real browser: every image is there, nothing is said on the console, and no page is wider
than a phone. Without Chromium it says so and checks nothing.

Run with: target/lab/bin/python tests/site_in_a_browser.py FOLDER [SCREENSHOTS]
"""

import base64
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import websocket

SEEN = """(async () => {
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
      && !e.closest('pre, .table, math'));
  return JSON.stringify({
    images: document.images.length,
    missing: [...document.images].filter(image => image.naturalWidth === 0).length,
    width: document.documentElement.scrollWidth, screen: innerWidth,
    wide: wide.slice(0, 3).map(e => e.outerHTML.slice(0, 120)),
    formulas: document.querySelectorAll('math').length,
    raw: (document.body.innerText.match(/\\$\\$|\\u001b\\[|\\\\frac/g) || []).length,
  });
})()"""


class Page:
    def __init__(self, port):
        for _ in range(100):
            try:
                tabs = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
                address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                break
            except (OSError, StopIteration):
                time.sleep(0.1)
        self.socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self.number, self.said = 0, []
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = self.hear()
            if message.get("id") == self.number:
                return message["result"]

    def hear(self):
        message = json.loads(self.socket.recv())
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.said.append(json.dumps(message["params"])[:300])
        return message

    def visit(self, address, width):
        self.said.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Page.navigate", url=address)
        while self.hear().get("method") != "Page.loadEventFired":
            pass
        seen = self.ask("Runtime.evaluate", expression=SEEN, awaitPromise=True)["result"]["value"]
        return json.loads(seen)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def browser():
    """A page of a Chromium of its own; none where there is no Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        print("skipped: no Chromium")
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
             f"--user-data-dir={profile}", f"--remote-debugging-port={port}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield Page(port)
        finally:
            process.kill()
            process.wait()


def main():
    folder = Path(sys.argv[1]).resolve()
    pictures = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    wrong = []
    with browser() as page:
        if page is None:
            return
        pages = sorted(folder.glob("*.html"))
        assert len(pages) > 1, f"no pages in {folder}"
        for path in pages:
            for width in (390, 1280):
                seen = page.visit(path.as_uri(), width)
                if seen["missing"] or seen["width"] > width or seen["raw"] or page.said:
                    wrong.append(f"{path.name} at {width}: {seen} {page.said}")
                if pictures:
                    pictures.mkdir(exist_ok=True)
                    page.screenshot(pictures / f"{path.stem}-{width}.png")
            print(f"{path.name}: {seen['images']} images, {seen['formulas']} formulas", flush=True)
    if wrong:
        sys.exit("error: " + "\n".join(wrong))
    print(f"{len(pages)} pages are whole, at phone width too")


if __name__ == "__main__":
    main()
