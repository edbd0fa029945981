# Runs in the machine, as root, from the second disk: each step leaves /creo/report/NAME.json, a report of vitest, and NAME.log.
slowness=$(sed -n 's/.*creo\.slowness=\([0-9]*\).*/\1/p' /proc/cmdline)
steps=$(sed -n 's/.*creo\.steps=\([a-z,-]*\).*/\1/p' /proc/cmdline)
report=/creo/report
mkdir -p $report
chown -R volunteer:volunteer /creo
cd /creo || exit 1

settings="PATH=/creo/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/var/tmp NO_COLOR=1 \
CREO_SOAK_MACHINE=1 CREO_TEST_SLOWNESS=$slowness"
patience=$((slowness * 120000))
vitest() {
  name=$1
  shift
  echo "/creo/node_modules/.bin/vitest run --maxWorkers=1 --testTimeout=$patience --hookTimeout=$patience --reporter=default --reporter=json --outputFile.json=$report/$name.json $*"
}

# Whether that step is wanted; all are when none is named.
wanted() {
  case ",$steps," in
    ,, | *",$1,"*) echo "creo-soak: $1 $(cut -d. -f1 /proc/uptime) s after boot" ;;
    *) return 1 ;;
  esac
}

# As a login of nobody: what root's own services have.
rootful() {
  wanted "$1" || return 0
  env HOME=/root $settings $extra $(vitest "$@") >"$report/$1.log" 2>&1
}

# As a service of the user's own manager, which is how a node of theirs runs.
rootless() {
  wanted "$1" || return 0
  variables=$(for one in $settings; do printf ' --setenv=%s' "$one"; done)
  systemd-run --machine=volunteer@.host --user --wait --pipe --quiet --collect -p WorkingDirectory=/creo $variables $(vitest "$@") >"$report/$1.log" 2>&1
}

extra=
rootless rootless-podman test/runtime/podman.test.ts
rootful rootful-podman test/runtime/podman.test.ts
rootful rootful-containerd test/runtime/containerd.test.ts
printf '[engine]\nruntime = "crun"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nlock_type = "file"\n' >/run/cgroupfs.conf
extra=CONTAINERS_CONF=/run/cgroupfs.conf
rootful rootful-podman-cgroupfs test/runtime/podman.test.ts
extra=
rootful rootful-attack test/attack/podman.test.ts
rootful rootful-attack-containerd test/attack/containerd.test.ts
rootless rootless-attack test/attack/podman.test.ts
rootful rootful-service test/soak/guest/service.test.ts
rootful rootful-update test/soak/guest/update.test.ts
# Without polkit only root may allow it.
loginctl enable-linger volunteer
rootless rootless-service test/soak/guest/service.test.ts
rootful rootful-doctor test/soak/guest/doctor.test.ts
rootless rootless-doctor test/soak/guest/doctor.test.ts
echo "creo-soak: done"
touch $report/done
sync
