#!/usr/bin/env bash
# PHP for the testbed's wiki and a Chromium for its readers; with the argument `java`, Java and Maven for Kafka instead. On
# Debian they are installed where they are missing and that is allowed; elsewhere this says what is missing, and everything
# that needs none of them works all the same.
set -euo pipefail

php_modules="mbstring intl xml pdo_sqlite curl"
php_packages="php-cli php-sqlite3 php-mbstring php-xml php-intl php-curl php-apcu"
chromium="chromium chromium-browser google-chrome google-chrome-stable"

lacks_php() {
  command -v php >/dev/null || return 0
  for module in $php_modules; do
    php -m | grep -qix "$module" || return 0
  done
  return 1
}

lacks_chromium() {
  for name in $chromium; do
    if command -v "$name" >/dev/null; then return 1; fi
  done
  # Playwright's own browser will do as well.
  for cache in "${PLAYWRIGHT_BROWSERS_PATH:-}" "$HOME/.cache/ms-playwright" "$HOME/Library/Caches/ms-playwright"; do
    if [ -n "$cache" ] && compgen -G "$cache/chromium*" >/dev/null; then return 1; fi
  done
  return 0
}

lacks_java() {
  local major
  command -v java >/dev/null || return 0
  major=$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p' | head -n 1)
  [ "${major:-0}" -lt 17 ]
}

wanted=""
without="leave browsers and wiki out: make dogfood ARGS='--fidelity synthetic'"
if [ "${1:-}" = "java" ]; then
  if lacks_java; then wanted="default-jre-headless"; fi
  if ! command -v mvn >/dev/null; then wanted="$wanted maven"; fi
  without="leave the stream in files, as it is unless --stream kafka is said"
else
  if lacks_php; then wanted="$php_packages"; fi
  if lacks_chromium; then wanted="$wanted chromium"; fi
fi
if [ -z "$wanted" ]; then exit 0; fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then as_root="sudo"; else as_root="missing"; fi
fi
if command -v apt-get >/dev/null && [ "$as_root" != "missing" ]; then
  echo "installing:$wanted"
  $as_root apt-get update -qq
  # shellcheck disable=SC2086  # a list of packages
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $wanted >/dev/null
else
  echo "missing:$wanted (install them, or $without)" >&2
fi
