#!/usr/bin/env bash
# Download the scripts of the docs site for `make docs`: pinned and checked files, through npm's client. Mermaid draws the
# diagrams; iframe-worker makes the search work in a site that is opened from a file.
# Without npm the site is built too: diagrams are text, and the search needs a web server.
set -euo pipefail

to="docs/javascripts"

# fetch PACKAGE VERSION FILE_IN_PACKAGE NAME SHA256
fetch() {
  if echo "$5  $to/$4" | sha256sum --check --status 2>/dev/null; then return; fi
  if ! command -v npm >/dev/null; then
    echo "npm is missing: the site is built without $1" >&2
    return
  fi
  npm pack --silent --pack-destination "$work" "$1@$2" >/dev/null
  tar -xzf "$work/$1-$2.tgz" -C "$work" "package/$3"
  if ! echo "$5  $work/package/$3" | sha256sum --check --status; then
    echo "$1 $2 is not the file that was pinned" >&2
    exit 1
  fi
  mkdir -p "$to"
  mv "$work/package/$3" "$to/$4"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch mermaid 11.17.2 dist/mermaid.min.js mermaid.min.js 581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8
fetch iframe-worker 1.0.4 shim/index.js iframe-worker.js e8e412dbcfea9b7e31b5ffa288d7b6035915e714c542f4176a0cdbe262fc9609
