# What an operator does with the package, and what systemd makes of it: standard output is compared with what is expected.
dpkg() { command dpkg "$@" >&2; }
is() { systemctl is-active halo-intake || true; }
number() { systemctl show --property MainPID --value halo-intake; }
status() { systemctl show --property StatusText --value halo-intake; }

dpkg --purge halo-intake
systemctl daemon-reload
dpkg --install /packages/first.deb
echo "installed: $(systemctl is-enabled halo-intake), $(is)"

systemctl start halo-intake
echo "without a configuration: $(is), condition met: $(systemctl show --property ConditionResult --value halo-intake)"

mkdir -p /etc/halo-intake /srv/Maildir/{new,cur,tmp}
cat >/etc/halo-intake/halo-intake.toml <<'END'
state_dir = "/var/lib/halo-intake"

[mailbox.support]
type = "maildir"
path = "/srv/Maildir"

[halo.main]
url = "http://127.0.0.1:1"
client_id = "nobody"
client_secret = { credential = "halo-secret" }

[[rule]]
name = "Everything"

  [[rule.action]]
  type = "stop"
END
chmod 644 /etc/halo-intake/halo-intake.toml
install -d -m 700 /etc/halo-intake/secrets
echo secret >/etc/halo-intake/secrets/halo-secret
mkdir -p /etc/systemd/system/halo-intake.service.d
printf '[Service]\nLoadCredential=halo-secret:/etc/halo-intake/secrets/halo-secret\n' >/etc/systemd/system/halo-intake.service.d/override.conf
systemctl daemon-reload
systemctl start halo-intake
echo "with one: $(is): $(status)"
echo "state: $(stat --format '%a %U' /var/lib/halo-intake/), user: $(systemctl show --property DynamicUser --value halo-intake)"

printf 'From: Ada <ada@acme.example>\nSubject: A first one\n\nHello\n' >/srv/Maildir/tmp/one
mv /srv/Maildir/tmp/one /srv/Maildir/new/one
for _ in {1..100}; do
    outcome=$(halo-intake log --format json | grep --only-matching '"outcome":"[a-z]*"' || true)
    [ "$outcome" != '"outcome":"completed"' ] || break
    sleep 0.1
done
echo "a message: $outcome"

systemctl reload halo-intake
# A signal was sent; the program says itself when it has done so.
for _ in {1..100}; do
    [ "$(is)" = reloading ] || break
    sleep 0.1
done
echo "reloaded: $(is): $(status)"

before=$(number)
dpkg --install /packages/second.deb
if [ "$(number)" = "$before" ]; then after=same; else after=another; fi
echo "upgraded: $(is), $after process, $(halo-intake log --format json | wc --lines) message in the journal"

systemctl stop halo-intake
echo "stopped: $(systemctl show --property Result --value halo-intake)"
dpkg --install /packages/first.deb
echo "a stopped one upgraded: $(is)"

systemctl start halo-intake
dpkg --remove halo-intake
echo "removed: $(is), $(ls /var/lib/halo-intake/journal.db /etc/halo-intake/halo-intake.toml | wc --lines) of 2 kept"
dpkg --install /packages/second.deb
systemctl start halo-intake
echo "installed again: $(is), $(halo-intake log --format json | wc --lines) message in the journal"
dpkg --purge halo-intake
echo "purged: $(is), $(ls -d /var/lib/halo-intake /var/lib/private/halo-intake /etc/halo-intake 2>/dev/null | wc --lines) left"
