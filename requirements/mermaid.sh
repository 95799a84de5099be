#!/usr/bin/env bash
# The script that draws the diagrams of the docs site, for `make docs`: one pinned file, checked, through npm's client.
# Without npm the site is built all the same, and shows diagrams as text.
set -euo pipefail

version="11.17.2"
sha256="581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8"
to="docs/javascripts/mermaid.min.js"

is_right() { echo "$sha256  $1" | sha256sum --check --status 2>/dev/null; }

if [ -f "$to" ] && is_right "$to"; then exit 0; fi
if ! command -v npm >/dev/null; then
  echo "npm is missing: diagrams will be shown as text" >&2
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --pack-destination "$work" "mermaid@$version" >/dev/null
tar -xzf "$work/mermaid-$version.tgz" -C "$work" package/dist/mermaid.min.js
if ! is_right "$work/package/dist/mermaid.min.js"; then
  echo "mermaid $version is not the file that was pinned" >&2
  exit 1
fi
mkdir -p "$(dirname "$to")"
mv "$work/package/dist/mermaid.min.js" "$to"
