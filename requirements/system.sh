#!/usr/bin/env bash
# system.sh [--check] [java]: install PHP for the testbed's wiki and Chromium for its sessions; with `java`, Java and Maven
# for Kafka instead. Lists what is missing and why it is needed. On Debian it installs the packages: immediately as root or
# without a terminal, otherwise after a question if sudo is needed. On other systems, and with --check, it installs
# nothing; features without these programs work.
set -euo pipefail

php_modules="mbstring intl xml pdo_sqlite curl"
php_packages="php-cli php-sqlite3 php-mbstring php-xml php-intl php-curl php-apcu"
chromium="chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable"

lacks_php() {
  local modules
  command -v php >/dev/null || return 0
  # Read to the end: grep -q stops at the first match, which would end php by SIGPIPE, as if the module were missing.
  modules=$(php -m)
  for module in $php_modules; do
    grep -qix "$module" <<<"$modules" || return 0
  done
  return 1
}

lacks_chromium() {
  for name in $chromium; do
    if command -v "$name" >/dev/null; then return 1; fi
  done
  # Playwright's browser is sufficient too.
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

# Only list what is missing.
check=""
if [ "${1:-}" = "--check" ]; then check="yes"; shift; fi

# want PACKAGES REASON: add packages to install, and print why.
wanted=""
want() {
  wanted="$wanted $1"
  echo "missing: $1 – $2"
}

without="leave browsers and wiki out: make dogfood ARGS='--fidelity synthetic'"
if [ "${1:-}" = "java" ]; then
  if lacks_java; then want default-jre-headless "Kafka and Spark run on Java 17 or newer"; fi
  if ! command -v mvn >/dev/null; then want maven "fetches the jars of Kafka and Spark"; fi
  without="leave the stream in files, which is the default (no --stream kafka)"
else
  if lacks_php; then want "$php_packages" "TestWiki, which is MediaWiki, runs on PHP"; fi
  if lacks_chromium; then want chromium "the fidelity 'browser' drives real browsers"; fi
fi
if [ -z "$wanted" ]; then
  if [ -n "$check" ]; then echo "nothing is missing${1:+ for $1}"; fi
  exit 0
fi
if [ -n "$check" ]; then
  echo "install them with make setup${1:+-full}, or $without"
  exit 1
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if [ -t 0 ] && [ -t 1 ] && command -v sudo >/dev/null; then
    # At a terminal, ask before running anything as root.
    read -r -p "Install these by 'sudo apt-get install'? [y/N] " answer
    case "$answer" in y | Y | yes) as_root="sudo" ;; *) as_root="missing" ;; esac
  elif sudo -n true 2>/dev/null; then
    as_root="sudo"
  else
    as_root="missing"
  fi
fi
if command -v apt-get >/dev/null && [ "$as_root" != "missing" ]; then
  echo "installing:$wanted"
  $as_root apt-get update -qq
  # The headless build of Debian needs a third of the CPU.
  case " $wanted " in *" chromium "*)
    if apt-cache show chromium-headless-shell >/dev/null 2>&1; then wanted="$wanted chromium-headless-shell"; fi
  esac
  # shellcheck disable=SC2086  # a list of packages
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $wanted >/dev/null
else
  echo "not installed:$wanted (install them, or $without)" >&2
fi
