# What a device is and has; a line `name=value` for each. Runs as the user who logs in, changes nothing.
say() { printf '%s=%s\n' "$1" "$2"; }
say architecture "$(uname -m)"
say system "$( (. /etc/os-release && printf '%s' "$PRETTY_NAME") 2>/dev/null)"
say seconds "$(date +%s)"
if [ "$(id -u)" = 0 ]; then
    root=already
    as_root() { "$@"; }
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root=sudo
    as_root() { sudo -n "$@"; }
else
    root=no
    as_root() { return 1; }
fi
say root "$root"
[ -d /run/systemd/system ] && say systemd "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
for tool in flock setpriv sha256sum stat systemd-sysusers chown df; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || say lacks "$tool"
done
# `test` asks the system, which says no for everybody where a file system is read-only.
[ "$root" != no ] && as_root sh -c '
    for folder in / /opt /opt/facelatch /etc /var/lib; do [ ! -e "$folder" ] || [ -w "$folder" ] || exit 1; done' && say writable yes
# In kilobytes; what is not there yet will be where its parent is.
opt=/opt
[ -d "$opt" ] || opt=/
say free "$(df -Pk "$opt" | awk 'NR==2{print $4}')"
say state_free "$(df -Pk /var/lib | awk 'NR==2{print $4}')"
for device in /dev/gpiochip* /dev/gpiomem* /dev/video* /dev/ttyUSB* /dev/ttyACM* /dev/serial*; do
    [ -e "$device" ] && say device "$device"
done
command -v rpicam-vid >/dev/null && say device rpicam-vid
[ -L /opt/facelatch/current ] && say installed yes
exit 0
