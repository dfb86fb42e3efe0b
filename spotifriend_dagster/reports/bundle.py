"""The scripts that draw the charts (Vega, Vega-Lite, Vega-Embed) as one text, so that a page needs no network."""

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
        import vl_convert  # noqa: PLC0415 - heavy

        scripts = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE_VERSION)
        scripts = scripts.replace("</script", r"<\/script")
        storage.write(key, scripts.encode("utf-8"))
        return scripts
