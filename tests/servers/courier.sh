#!/bin/sh
# Courier's paths are compiled in, so it runs in a mount and process namespace of its own, in which its unpacked
# packages lie over /usr and its configuration over /etc: courier.sh ROOT FOLDER PORT PORT_OF_TLS
set -e
root=$1 folder=$2 port=$3 tls_port=$4
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$folder/etc:/etc" /etc
mount --bind "$folder/run" /run
mkdir -p /run/courier/authdaemon
set -a
# Its sessions learn from gam_server when a lock is gone, and all of a user's share one, found by this name. Two
# servers' would, too, and where one ends the other's wait for a lock for two minutes.
GAM_CLIENT_ID=$port
. /etc/courier/authdaemonrc
/usr/lib/courier/courier-authlib/authdaemond >"$folder/auth.log" 2>&1 &
. /etc/courier/imapd
. /etc/courier/imapd-ssl
IMAP_STARTTLS=YES IMAP_TLS=0
tcpd="-address=127.0.0.1 -maxprocs=400 -maxperip=400 -nodnslookup -noidentlookup"
login=/usr/lib/courier/courier/imaplogin
(
    IMAP_TLS=1
    exec couriertcpd $tcpd "$tls_port" /usr/bin/couriertls -server -tcpd -user=nobody $login /usr/bin/imapd Maildir
) >"$folder/tls.log" 2>&1 &
exec couriertcpd $tcpd "$port" $login /usr/bin/imapd Maildir >"$folder/imap.log" 2>&1
