#!/bin/bash
# Runs inside the machine that test/vm/run.sh boots, as root: TAP on stdout, status 1 when a check failed.
exec 2>&1
n=0 failed=0
check() { # what, command…
  local what=$1 said
  shift
  n=$((n + 1))
  if said=$("$@" 2>&1); then echo "ok $n - $what"; else
    failed=1
    echo "not ok $n - $what"
    printf '%s\n' "$said" | tail -n 20 | sed 's/^/  # /'
    return 1
  fi
}
# Machines that are emulated are slow: asked again and again, for three minutes.
soon() {
  local end=$((SECONDS + 180))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { "$@"; return; }
    sleep 0.5
  done
}
says() { printf '%s' "$2" | grep -qE -- "$1" || { printf 'no %s in: %s\n' "$1" "$2"; return 1; }; }
not() { ! "$@"; }

mkdir -p /usr/lib /etc/cordon/profiles
cp -a /project/cordon /usr/lib/cordon
ln -s /usr/lib/cordon/dist/cordon /usr/bin/cordon
cp /project/*.service /project/*.timer /etc/systemd/system/
useradd --create-home --shell /bin/bash agent
work=/home/agent/work
install -d -o agent -g agent $work
install -d -m 700 -o agent -g agent /home/agent/.ssh
echo CANARY >/home/agent/.ssh/id_test
chown agent /home/agent/.ssh/id_test
cat >/etc/cordon/profiles/small.yaml <<'PROFILE'
cordon: 1
name: small
version: 1
extends: [base-linux]
files:
  - { allow: [read, write, exec], in: ["${workspace}", "${tmp}"] }
exec:
  - { allow: ["**"] }
limits: { processes: 24, memory: 128MiB, cpu: 80%, wall: 40d }
PROFILE
echo "# $(uname -r), cgroup v2: $(cat /sys/fs/cgroup/cgroup.controllers), $(cat /sys/kernel/security/lsm 2>/dev/null)"

# ---- the unit
systemctl daemon-reload
check 'systemd starts the unit' systemctl start cordond
check 'cordond answers' soon cordon status
check 'systemd holds it for running' systemctl is-active cordond
doctor=$(cordon doctor)
check 'cordon doctor finds everything needed in force' says '^Everything needed is in force' "$doctor"
check 'and says what this kernel lacks' says 'warn +memfd-noexec' "$doctor"
printf '%s\n' "$doctor" | grep -v ^ok | sed 's/^/# /'

# ---- one session with allowed and blocked actions
run() { timeout 600 cordon run --user agent --workspace $work "$@"; }
ran=$(cd $work && run --profile coding-agent -- bash -c '
  echo mine > made && cat made && cat /proc/self/cgroup && echo "score $(cat /proc/self/oom_score_adj)"
  cat ~/.ssh/id_test; echo x > ~/outside; su root -c id; exec 3<>/dev/tcp/169.254.169.254/80; getent hosts secret.example; exit 5' 2>&1; echo "status $?")
check 'the agent works in its workspace' says '^mine$' "$ran"
check 'in the control group of its session' says 'cordon/s[0-9]+$' "$ran"
check 'when memory ends it is not among the last to go, as cordond is' says '^score 0$' "$ran"
check 'its exit status comes back' says '^status 5$' "$ran"
check 'the key was not read' not says CANARY "$ran"
check 'nothing was written outside' not test -e /home/agent/outside
blocks=$(cordon blocks)
for what in '.ssh' '/home/agent/outside' '/usr/bin/su' '169.254.169.254:80' 'secret.example'; do
  check "blocked and on record: $what" says "$what" "$blocks"
done
id=$(printf '%s\n' "$blocks" | awk '/outside/{print $1; exit}')
check 'and explained' says 'rule' "$(cordon explain "$id")"
layers=$(cordon sessions -v)
for layer in mount-namespace landlock seccomp-notify fanotify cgroup; do
  check "layer $layer is in force" says "$layer +in force" "$layers"
done

# ---- limits, freeze and kill by control groups of version 2
groups() { ls -d /sys/fs/cgroup/cordon/s* 2>/dev/null; }
session() { cordon sessions --json | grep -o '"session":"[a-z0-9]*","state":"running"' | cut -d '"' -f 4 | grep .; }
busy() { for group in $(groups); do [ "$(cat "$group/pids.current")" -gt 3 ] && echo "$group"; done; }
(cd $work && run --profile small -- bash -c 'n=0; while [ $n -lt 12 ]; do sleep 300 & n=$((n+1)); done; wait' >/tmp/limited.txt 2>&1) &
check 'a session runs' soon session || cat /tmp/limited.txt
check 'with the processes it wants' soon eval '[ -n "$(busy)" ]'
group=$(busy | head -n 1)
check 'the limit of processes is the group’s' test "$(cat "$group/pids.max")" = 25
check 'the limit of memory too' test "$(cat "$group/memory.max")" = $((128 * 1024 * 1024))
check 'and that of the processor' test "$(cat "$group/cpu.max")" = '80000 100000'
counted() { [ "$(cordon sessions --json | grep -o '"state":"running".*' | grep -o '"processes":[0-9]*' | head -n 1 | cut -d : -f 2)" -ge 13 ]; }
check 'cordon sessions counts its processes' soon counted
s=$(session)
for supervisor in $(pgrep -f 'dist/supervisor[.]js'); do
  check 'a supervisor is' test "$(cat "/proc/$supervisor/oom_score_adj")" = -900
done
check 'cordon freeze works' cordon freeze "$s"
check 'everything in the group stands still' soon grep -q 'frozen 1' "$group/cgroup.events"
check 'cordon resume works' cordon resume "$s"
check 'and goes on' soon grep -q 'frozen 0' "$group/cgroup.events"
check 'cordon kill works' cordon kill "$s"
check 'its control group is gone' soon eval "[ ! -e '$group' ]"
wait
forked=$(cd $work && run --profile small -- bash -c 'n=0; while [ $n -lt 60 ]; do sleep 20 & n=$((n+1)); done; echo all' 2>&1)
check 'more processes than the limit are refused' says 'fork|Resource temporarily' "$forked"
eaten=$(cd $work && run --profile small -- bash -c 'x=$(head -c 400M /dev/zero | tr "\0" x); echo ${#x}' 2>&1)
check 'more memory than the limit is refused' not says '^419430400$' "$eaten"

# ---- a restart of the daemon, and clocks that are set, with a session running
(cd $work && run --profile small -- bash -c 'while [ ! -e go ]; do echo tick >> ticks; sleep 0.5; done; cat /etc/shadow; echo alive' >/tmp/kept.txt 2>&1; echo "status $?" >>/tmp/kept.txt) &
soon test -s $work/ticks
kept=$(session)
check 'systemd restarts the unit' systemctl restart cordond
check 'cordond answers again' soon cordon status
adopted() { [ "$(session)" = "$kept" ]; }
check 'and has the session' soon adopted
main=$(systemctl show -p MainPID --value cordond)
kill -9 "$main"
check 'after kill -9 systemd starts it again' soon eval '[ "$(systemctl show -p MainPID --value cordond)" != "'"$main"'" ] && cordon status'
check 'and it has the session' soon adopted
more() { [ "$(wc -l <$work/ticks)" -gt "$1" ]; }
for jump in '+2 days' '-3 days' '+1 day'; do # the last one sets it right
  date -s "$jump" >/dev/null
  check "the session works on after the clock was set by $jump" soon more "$(($(wc -l <$work/ticks) + 3))"
  check 'cordond answers' cordon status
done
touch $work/go
wait
check 'the session ended as it should' says 'alive' "$(cat /tmp/kept.txt)"
check 'with its own status' says '^status 0$' "$(cat /tmp/kept.txt)"
records=$(cordon audit tail --session "$kept" --limit 100000 --json)
check 'the denial is on record' says '/etc/shadow' "$records"
check 'no record is missing' not says 'journal-(hole|damage|repeat)' "$records"

# ---- attestation, by the kernel's TPM device
check 'the kernel has a TPM with a resource manager' test -c /dev/tpmrm0
mkdir -p /etc/cordon-verifier
cd /etc/cordon-verifier || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.crt -days 2 \
  -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
echo '{"allow-software": true, "require-sealed-key": true}' >reference.json
openssl genrsa -out escrow.key 3072 2>/dev/null
openssl rsa -in escrow.key -pubout -out /etc/cordon/escrow.pem 2>/dev/null
verifier() {
  (cd /etc/cordon-verifier && exec cordon verifier serve --state /var/lib/cordon-verifier --listen 127.0.0.1:8443 --cert tls.crt \
    --cert-key tls.key --software-roots /project/tpm-root.pem --intermediates /project/tpm-issuer.pem --reference reference.json \
    --issuer test >/tmp/verifier.txt 2>&1) &
  serving=$!
}
verifier
online=(--verifier https://127.0.0.1:8443 --ca /etc/cordon-verifier/tls.crt)
check 'a verifier serves' soon test -s /var/lib/cordon-verifier/verifier.jwk
jq '{kty, crv, x, alg}' /var/lib/cordon-verifier/verifier.jwk >/etc/cordon/verifier.jwk
cat >/etc/cordon/config.yaml <<'CONFIG'
attestation:
  verifier-key: /etc/cordon/verifier.jwk
  escrow: /etc/cordon/escrow.pem
CONFIG
systemctl restart cordond
check 'cordond answers with these settings' soon cordon status
status=$(cordon attest status)
check 'it uses the device, which no setting names' says '/dev/tpmrm0' "$status"
check 'and says that this one is software, which its maker tells' says '[Ss][Oo][Ff][Tt][Ww][Aa][Rr][Ee]' "$status"
verdict() { cordon attest status --json | jq -e ".state.verdict == \"$1\"" >/dev/null; }
check 'the machine is enrolled' cordon attest enroll "${online[@]}"
check 'again, to no effect' cordon attest enroll "${online[@]}"
check 'a quote is accepted' cordon attest quote "${online[@]}"
cordon attest status | sed 's/^/# /'
nonce=$(openssl rand -hex 16)
check 'a quote is written' cordon attest quote --nonce "$nonce" --out /tmp/quote
cd /tmp/quote && ls | tr '\n' ' ' | sed 's/^/# /' && echo
check 'tpm2_checkquote accepts it' tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig -f quote.pcrs -g sha256 \
  -q "$(sha256sum statement.json | cut -d ' ' -f 1)"
check 'tpm2_checkquote refuses it for another statement' not tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig -f quote.pcrs \
  -g sha256 -q "$(sha256sum quote.msg | cut -d ' ' -f 1)"
tpm2_eventlog eventlog.bin >/tmp/eventlog.yaml
check 'the event log is the firmware’s, and tpm2_eventlog reads it' says 'EV_POST_CODE|EV_S_CRTM_VERSION|EV_SEPARATOR' "$(cat /tmp/eventlog.yaml)"
printf '# events: %s\n' "$(grep -c EventType: /tmp/eventlog.yaml)"
check 'the statement answers the nonce' test "$(jq -r .nonce statement.json)" = "$nonce"
for pcr in 0 7 10; do # as another program reads them through the resource manager
  check "PCR $pcr is what tpm2_pcrread reads" test "$(jq -r ".pcrs[\"$pcr\"]" evidence.json | tr a-f A-F)" = \
    "$(tpm2_pcrread sha256:$pcr | sed -n 's/.*0x//p')"
done
check 'no object is left in the TPM' test -z "$(tpm2_getcap handles-transient)$(tpm2_getcap handles-loaded-session)"
cd /
# ---- the timer
mkdir -p /etc/systemd/system/cordon-attest.timer.d
printf '[Timer]\nOnBootSec=\nOnActiveSec=1s\nOnUnitActiveSec=15s\nRandomizedDelaySec=0\nAccuracySec=1s\n' \
  >/etc/systemd/system/cordon-attest.timer.d/soon.conf
printf 'VERIFIER=https://127.0.0.1:8443\nCA=/etc/cordon-verifier/tls.crt\n' >/etc/cordon/attest.env
systemctl daemon-reload
check 'the timer starts' systemctl start cordon-attest.timer
newer() { cordon attest status --json | jq -e ".state.verdict == \"passed\" and .state.at > $1" >/dev/null; }
at() { cordon attest status --json | jq .state.at; }
check 'and has the machine attested anew' soon newer "$(at)"
kill $serving
wait $serving
check 'while the verifier is away its runs fail' soon systemctl is-failed cordon-attest.service
last=$(at)
verifier
check 'and succeed again when it is back' soon newer "$last"
systemctl stop cordon-attest.timer

# ---- another state of the machine
check 'after a PCR changed the verdict counts no more' eval 'tpm2_pcrextend 4:sha256=$(printf %064d 1) && soon not verdict passed'
cordon attest status | sed 's/^/# /'
check 'and the verifier does not accept what the event log does not tell of' not cordon attest quote "${online[@]}"
cordon attest status | sed 's/^/# /'
kill $serving

# ---- the end
systemctl stop cordond
check 'systemd stops it' not systemctl is-active cordond
none() { ! pgrep -f 'dist/(cordond|supervisor|egress)[.]js'; }
check 'nothing of it runs on' soon none
echo "1..$n"
[ $failed = 0 ] || { journalctl -u cordond -u cordon-attest --no-pager | tail -n 40 | sed 's/^/# /'; tail -n 20 /var/lib/cordon/log/* | sed 's/^/# /'; }
exit $failed
