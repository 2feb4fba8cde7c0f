#!/bin/sh
# See to it that a headless Chromium and its driver are there, for the tests of the report in a browser. Debian's
# packages are installed if this runs as root there; otherwise one line says what is missing, and the status is 1.
present() {
    command -v chromium > /dev/null && command -v chromedriver > /dev/null
}

present && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        chromium chromium-driver; } > /dev/null 2>&1
fi
present && exit 0
echo "No Chromium here: the report is not tested in a browser. Install chromium and chromium-driver (Debian) for that."
exit 1
