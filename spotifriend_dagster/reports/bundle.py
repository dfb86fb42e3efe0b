"""The scripts that draw the charts (Vega, Vega-Lite, Vega-Embed) as one text, so that a page needs no network."""

import subprocess
import sys

from spotifriend_dagster.lake.storage import ObjectMissing, Storage

VEGA_LITE_VERSION = "6.4"


def chart_scripts(storage: Storage) -> str:
    """The scripts for an inline `<script type="module">`.

    Putting them together takes two seconds, so the lake keeps them beside the reports, by version.
    """
    key = f"reports/scripts/vega-lite-{VEGA_LITE_VERSION}.js"
    try:
        return storage.read(key).decode("utf-8")
    except ObjectMissing:
        scripts = _put_together().replace("</script", r"<\/script")
        storage.write(key, scripts.encode("utf-8"))
        return scripts


def _put_together() -> str:
    # In a process of its own, after which comes what is waited for: vl_convert does not let go of Python's lock, and a
    # run would stand still.
    bundle = f"vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;', vl_version={VEGA_LITE_VERSION!r})"
    program = f"import os, sys, vl_convert; os.nice(10); sys.stdout.buffer.write({bundle}.encode())"
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout.decode()  # noqa: S603 - our own program
