#!/bin/sh
# Installs creo, upgrades it in place, or removes it: one file in one folder. See --help.
set -eu

# Of the publisher: npm run package writes them into the script that is published beside the program.
PUBLIC_KEY=''
RELEASE_URL=''

PROGRAM=creo
# Of one step of a download; a cut one is taken up where it ended.
ATTEMPTS_MAX=5
CONNECT_TIMEOUT_S=20
# Without a byte for so long, a connection counts as cut.
SILENCE_MAX_S=60
# Of curl: the server sends no part of a file.
CURL_NO_RANGES=33
GLIBC_MINOR_MIN=28
# Packed, beside what may lie there of another; and unpacked.
DOWNLOAD_KIB=40960
INSTALLED_KIB=143360

usage() {
  cat <<'TEXT'
Usage: install.sh [--from URL|FOLDER] [--to FOLDER] [--public-key FILE|KEY]
                  [--allow-older]
       install.sh --uninstall [--to FOLDER]

  --from        where SHA256SUMS and creo-linux-*.xz lie: an address or a folder;
                what was published says its own
  --to          where creo is put: /usr/local/bin for root, else ~/.local/bin
  --public-key  the publisher's key, from somewhere else than the download; what
                was published has it built in
  --allow-older take the release also where a newer creo is installed
  --insecure-no-signature
                install what nobody signed, or what you signed with a lost key
  --uninstall   removes creo and what it unpacked; accounts, settings and data stay

The signature is checked by minisign, or by openssl 3 where there is none.
TEXT
}

fail() {
  printf 'Error: %s\nTry this: %s\n' "$1" "$2" >&2
  exit 1
}

main() {
  from=$RELEASE_URL to='' key=$PUBLIC_KEY signed=yes uninstall=no older=no
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --to | --public-key)
        [ $# -ge 2 ] || fail "$1 needs a value." 'install.sh --help'
        case $1 in --from) from=$2 ;; --to) to=$2 ;; *) key=$2 ;; esac
        shift 2
        ;;
      --insecure-no-signature) signed=no && shift ;;
      --allow-older) older=yes && shift ;;
      --uninstall) uninstall=yes && shift ;;
      --help) usage && exit 0 ;;
      *) fail "There is no option $1." 'install.sh --help' ;;
    esac
  done
  [ -n "${HOME:-}" ] || fail 'HOME is not set: it is not known where your files lie.' 'HOME=/root sh install.sh, or whatever is your folder'
  if [ -z "$to" ]; then
    if [ "$(id -u)" = 0 ]; then to=/usr/local/bin; else to=$HOME/.local/bin; fi
  fi
  if [ "$uninstall" = yes ]; then remove; else install; fi
}

install() {
  [ -n "$from" ] || fail 'It is not said where to install from.' 'install.sh --from URL'
  file=$PROGRAM-linux-$(architecture).xz
  check_system
  mkdir -p "$to" 2>/dev/null && [ -w "$to" ] || fail "$to can't be written." 'Run this as root, or name another folder: --to FOLDER'
  [ ! -d "$to/$PROGRAM" ] || fail "$to/$PROGRAM is a folder." 'Name another folder to put creo in: --to FOLDER'
  # Kept when a download is cut, so that the next run goes on with it.
  downloads=${XDG_CACHE_HOME:-$HOME/.cache}/creo/download
  mkdir -p "$downloads" 2>/dev/null && [ -w "$downloads" ] || fail "$downloads can't be written." 'Name a folder that can: XDG_CACHE_HOME=/path'
  check_space "$downloads" "$DOWNLOAD_KIB" 'or name a folder elsewhere: XDG_CACHE_HOME=/path'
  check_space "$to" "$INSTALLED_KIB" 'or name another folder: --to FOLDER'
  rm -f "$downloads/SHA256SUMS" "$downloads/SHA256SUMS.minisig"
  get SHA256SUMS
  check_signature
  if ! matches "$downloads/$file" "$file"; then
    get "$file"
    if ! matches "$downloads/$file" "$file"; then
      rm -f "$downloads/$file"
      fail "$file is not what SHA256SUMS says: the download was cut or changed." 'Run this again; if it stays so, ask where you got the address.'
    fi
  fi
  new=$to/.$PROGRAM-new-$$
  trap 'rm -f "$new"' EXIT
  # Not every shell does so at its end by a signal.
  trap 'exit 130' HUP INT TERM
  xz -dc "$downloads/$file" >"$new" || fail "$file can't be unpacked to $to, which may be full." 'Free 140 MB there, or name another folder: --to FOLDER'
  matches "$new" "${file%.xz}" || fail "What $file holds is not what SHA256SUMS says." 'Ask where you got the address.'
  chmod 755 "$new"
  version=$("$new" --version) || fail 'What was downloaded does not run here; what was installed before is untouched.' 'Look at what it said above.'
  check_not_older "$version"
  mv -f "$new" "$to/$PROGRAM"
  rm -rf "$downloads"
  printf '%s is installed: %s\n' "$version" "$to/$PROGRAM"
  case :$PATH: in
    *:"$to":*) ;;
    *) printf 'Your shell does not look there yet: export PATH="%s:$PATH"\n' "$to" ;;
  esac
}

# Who hands on an old release, signed as it was, could bring back what was mended since.
check_not_older() {
  [ "$older" = no ] && [ -x "$to/$PROGRAM" ] || return 0
  # One that does not run any more is no reason to keep it.
  installed=$("$to/$PROGRAM" --version 2>/dev/null) || return 0
  [ "$(newer_of "${installed#creo/}" "${1#creo/}")" != first ] ||
    fail "$1 is older than what is installed, $installed." 'Look for a newer release; to take this one all the same: --allow-older'
}

# Which of two versions is the newer one, as Semantic Versioning orders their numbers; what leads to a release is older than it.
newer_of() {
  printf '%s\n%s\n' "${1%% *}" "${2%% *}" | awk '
    {split($0, part, "-"); split(part[1], number, "."); for (i = 1; i <= 3; i++) is[NR, i] = number[i] + 0; is[NR, 4] = part[2] == "" ? 1 : 0}
    END {for (i = 1; i <= 4; i++) if (is[1, i] != is[2, i]) {print (is[1, i] > is[2, i] ? "first" : "second"); exit}}'
}

architecture() {
  case $(uname -s)-$(uname -m) in
    Linux-x86_64 | Linux-amd64) echo x64 ;;
    Linux-aarch64 | Linux-arm64) echo arm64 ;;
    Linux-*) fail "creo is made for x86-64 and arm64; this machine is $(uname -m)." 'Use another machine.' ;;
    *) fail "creo's one file is made for Linux; this is $(uname -s)." 'The developer commands run from a checkout, with Node.' ;;
  esac
}

check_system() {
  for tool in xz sha256sum; do
    command -v "$tool" >/dev/null || fail "$tool is missing, which unpacks and checks creo." "Install it, as by: apt install $([ "$tool" = xz ] && echo xz-utils || echo coreutils)"
  done
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || true)
  case $libc in
    'glibc 2.'*)
      minor=${libc#glibc 2.}
      [ "${minor%%.*}" -ge "$GLIBC_MINOR_MIN" ] || fail "creo needs glibc 2.$GLIBC_MINOR_MIN; this system has ${libc#glibc }." 'Use a newer release of the system.'
      ;;
    glibc*) ;;
    *) fail 'creo needs glibc; this system has another C library, such as musl.' 'Use a system with glibc, as Debian, Ubuntu or Fedora.' ;;
  esac
}

# Some systems have no df, or one that says nothing of this folder.
check_space() {
  free=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 {print $4}')
  case $free in
    '' | *[!0-9]*) ;;
    *) [ "$free" -ge "$2" ] || fail "There is no space in $1: $((free / 1024)) MiB are free, $(($2 / 1024)) are wanted." "Free some, $3" ;;
  esac
}

check_signature() {
  if [ "$signed" = no ]; then
    echo 'The signature is not checked. What is installed is what SHA256SUMS at that place says.' >&2
    return
  fi
  [ -n "$key" ] || fail "The publisher's key is not known, and nothing unsigned is installed." 'Give it, from somewhere else than the download: --public-key RW…'
  if [ -f "$key" ]; then key=$(tail -n 1 "$key"); fi
  get SHA256SUMS.minisig
  if command -v minisign >/dev/null; then
    minisign -V -q -P "$key" -m "$downloads/SHA256SUMS" -x "$downloads/SHA256SUMS.minisig" && return
  else
    case $(openssl version 2>/dev/null) in
      'OpenSSL '[3-9]*) ;;
      *) fail 'Neither minisign nor openssl 3 is here to check the signature with.' 'apt install minisign' ;;
    esac
    verify_by_openssl && return
  fi
  fail 'SHA256SUMS is not signed by that key: nothing was installed.' 'Compare the key with its publisher, and ask where you got the address.'
}

# What minisign does: Ed25519 over the BLAKE2b of the file, and over that signature with its comment.
verify_by_openssl() {
  parts=$downloads/signature
  rm -rf "$parts" && mkdir "$parts" || return 1
  printf %s "$key" | base64 -d >"$parts/key" 2>/dev/null || return 1
  sed -n 2p "$downloads/SHA256SUMS.minisig" | base64 -d >"$parts/line" 2>/dev/null || return 1
  sed -n 4p "$downloads/SHA256SUMS.minisig" | base64 -d >"$parts/whole" 2>/dev/null || return 1
  [ "$(head -c 2 "$parts/key")$(head -c 2 "$parts/line")" = EdED ] || return 1
  head -c 10 "$parts/key" | tail -c 8 >"$parts/name"
  head -c 10 "$parts/line" | tail -c 8 | cmp -s - "$parts/name" || return 1
  # What stands in front of a raw key in DER.
  { printf '\060\052\060\005\006\003\053\145\160\003\041\000' && tail -c 32 "$parts/key"; } >"$parts/key.der"
  tail -c 64 "$parts/line" >"$parts/raw"
  openssl dgst -blake2b512 -binary "$downloads/SHA256SUMS" >"$parts/digest" || return 1
  comment=$(sed -n '3s/^trusted comment: //p' "$downloads/SHA256SUMS.minisig")
  { cat "$parts/raw" && printf %s "$comment"; } >"$parts/commented"
  holds "$parts/digest" "$parts/raw" && holds "$parts/commented" "$parts/whole"
}

holds() {
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$parts/key.der" -rawin -in "$1" -sigfile "$2" >/dev/null 2>&1
}

# Brings a file of the release into $downloads, or the rest of it.
get() {
  case $from in
    http://* | https://*) download "${from%/}/$1" "$downloads/$1" ;;
    *)
      [ -f "$from/$1" ] || fail "$from has no $1." 'Name the folder that npm run package wrote, or an address.'
      cp "$from/$1" "$downloads/$1" || fail "There is no space for $1 in $downloads." 'Free some, or name a folder elsewhere: XDG_CACHE_HOME=/path'
      ;;
  esac
}

download() {
  attempt=1 status=''
  until fetch "$1" "$2"; do
    case $status in
      404 | 410) fail "$1 is not there ($status)." 'Check the address.' ;;
    esac
    [ "$attempt" -lt "$ATTEMPTS_MAX" ] ||
      fail "$1 could not be fetched$(last_words)." 'Check the address and the connection, then run this again: it goes on where it was cut.'
    attempt=$((attempt + 1))
    sleep 1
  done
}

fetch() {
  said=$downloads/said url=$1 out=$2 ended=0
  if command -v curl >/dev/null; then
    set -- -fSL --connect-timeout "$CONNECT_TIMEOUT_S" --speed-limit 1 --speed-time "$SILENCE_MAX_S" -w '%{http_code}' -o "$out"
    # Without -C for what is not there yet: some servers refuse a range from 0.
    if [ -s "$out" ]; then set -- "$@" -C -; fi
    if is_watched "$out"; then
      status=$(curl -# "$@" "$url") || ended=$?
    else
      status=$(curl -s "$@" "$url" 2>"$said") || ended=$?
    fi
    # What is there can't be gone on with: the server sends no parts, or has no more than that (416), as of another version.
    if [ "$ended" = "$CURL_NO_RANGES" ] || [ "$status" = 416 ]; then rm -f "$out"; fi
    return "$ended"
  elif command -v wget >/dev/null; then
    set -- -c --timeout="$SILENCE_MAX_S" --connect-timeout="$CONNECT_TIMEOUT_S" --tries=1 -O "$out" "$url"
    if is_watched "$out"; then wget "$@" || ended=$?; else wget -nv "$@" 2>"$said" || ended=$?; fi
    # It has no word for the status but in its own line.
    case $(tail -n 1 "$said" 2>/dev/null) in *'ERROR 404'*) status=404 ;; *'ERROR 410'*) status=410 ;; esac
    return "$ended"
  else
    fail 'Neither curl nor wget is here to download with.' 'apt install curl'
  fi
}

# Whether somebody waits for the program itself, at a terminal: only that takes long.
is_watched() {
  [ -t 2 ] && [ "$1" = "$downloads/$file" ]
}

# What curl or wget said last, once, however often it was tried; at a terminal it was seen.
last_words() {
  [ -s "$said" ] || return 0
  printf ': %s' "$(tail -n 1 "$said" | sed 's/^curl: ([0-9]*) //; s/[.]*$//')"
}

# Whether a file is what SHA256SUMS says of a name.
matches() {
  [ -f "$1" ] || return 1
  expected=$(awk -v name="$2" '$2 == name {print $1}' "$downloads/SHA256SUMS")
  [ -n "$expected" ] || fail "SHA256SUMS has no $2." 'Ask where you got the address: it is not made for this architecture.'
  [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$expected" ]
}

remove() {
  [ -e "$to/$PROGRAM" ] || { echo "creo is not in $to." && return; }
  [ -w "$to" ] || fail "$to can't be written." "Run this as whoever installed it, or name another folder: --to FOLDER"
  rm -f "$to/$PROGRAM" "$to/.$PROGRAM-previous" "$to/.$PROGRAM-new" "$to/.$PROGRAM-link"
  rm -rf "${XDG_CACHE_HOME:-$HOME/.cache}/creo"
  echo "creo is removed from $to. Accounts, settings and data are where they were; a service of a node is removed by creo mine uninstall, before."
}

main "$@"
