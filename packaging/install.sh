#!/bin/sh
# Installs PyChat from this directory, or takes it away again.
#
#   ./install.sh                 as root into /usr/local, as anybody else into ~/.local
#   ./install.sh --prefix DIR    below DIR
#   ./install.sh --uninstall     takes away what the same call without it has installed
#
# What people have made stays: /etc/pychat-server, mailboxes, messages, keys.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=
action=install

fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --prefix)
            [ $# -ge 2 ] || fail "--prefix needs a directory" "--prefix /usr/local"
            prefix=$2
            shift
            ;;
        --prefix=*) prefix=${1#--prefix=} ;;
        --uninstall) action=uninstall ;;
        -h | --help)
            sed -n '2,8s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) fail "unknown option $1" "$0 --help" ;;
    esac
    shift
done

user=$(id -u)
if [ -z "$prefix" ]; then
    if [ "$user" = 0 ]; then prefix=/usr/local; else prefix=$HOME/.local; fi
fi
case $prefix in
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
esac
[ -x "$here/bin/pychatctl" ] || fail "$here holds no PyChat" "run install.sh where it was unpacked"

# Where systemd looks for the server's units, it also looks into /etc/pychat-server.
case $prefix in
    /usr | /usr/local) system=yes ;;
    *) system=no ;;
esac

# Where a file of the archive goes. For people's units systemd looks into lib/ below /usr only, but
# into share/ below a home directory, too.
place() {
    case $1 in
        lib/systemd/user/*) echo "$prefix/share/${1#lib/}" ;;
        *) echo "$prefix/$1" ;;
    esac
}

# One file, in one step, so that a program that runs from there is not disturbed.
put() {
    mkdir -p "$(dirname "$2")"
    case $1 in
        */systemd/*) sed "s|/usr/bin/|$prefix/bin/|g" "$1" >"$2.new" ;;
        *) cp "$1" "$2.new" ;;
    esac
    case $1 in
        */bin/*) chmod 755 "$2.new" ;;
        */environment) chmod 600 "$2.new" ;;
        *) chmod 644 "$2.new" ;;
    esac
    mv -f "$2.new" "$2"
}

if [ $system = yes ] && [ $action = uninstall ] && [ -d /run/systemd/system ]; then
    systemctl disable --now pychat-server.service pychat-server.socket 2>/dev/null || true
fi

(cd "$here" && find bin lib share -type f) | while read -r file; do
    to=$(place "$file")
    if [ $action = uninstall ]; then
        rm -f "$to"
    else
        put "$here/$file" "$to"
    fi
done

if [ $action = uninstall ]; then
    rmdir "$prefix/share/pychat-server" 2>/dev/null || true
    echo "removed from $prefix"
    exit 0
fi

echo "installed into $prefix"
if [ $system = yes ]; then
    for file in config.toml environment; do
        [ -e "/etc/pychat-server/$file" ] ||
            put "$here/share/pychat-server/$file" "/etc/pychat-server/$file"
    done
    echo "to serve: systemctl daemon-reload, then systemctl enable --now pychat-server"
fi
case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) echo "to find the programs: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
echo "to chat: pychatctl connect USER \"YOUR NAME\" --server LINK"
