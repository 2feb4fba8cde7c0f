#!/bin/sh
# Install headless Chromium and its driver for the browser tests of the report, if they are missing. This works as root
# on Debian; otherwise the script prints what is missing and exits with status 1.
present() {
    command -v chromium > /dev/null && command -v chromedriver > /dev/null
}

present && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        chromium chromium-driver; } > /dev/null 2>&1
fi
present && exit 0
echo "Chromium not found: skipping the browser tests of the report. To run them, install chromium and chromium-driver (Debian)."
exit 1
