//! Which mounts are real: those on block devices, network filesystems, pools, and the root whatever it is on.
//! Each device counts once, however often parts of it are mounted.

use std::collections::{BTreeMap, BTreeSet};

/// Filesystems that come over a network, and may hang with it. FUSE is among them: who serves it may be anywhere.
const NETWORK: [&str; 22] = [
    "nfs",
    "nfs4",
    "lustre",
    "gpfs",
    "ceph",
    "beegfs",
    "cifs",
    "smb3",
    "smbfs",
    "glusterfs",
    "afs",
    "orangefs",
    "pvfs2",
    "wekafs",
    "panfs",
    "vastnfs",
    "9p",
    "virtiofs",
    "daos",
    "ocfs2",
    "gfs2",
    "fuse",
];
/// Filesystems that span devices, so that the kernel gives them no device number of their own.
const POOLS: [&str; 3] = ["zfs", "btrfs", "bcachefs"];
/// Images: full from the beginning, and never fuller.
const IMAGES: [&str; 6] = ["squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs"];
/// FUSE filesystems that show something of this machine, and hold nothing.
const FUSE_VIEWS: [&str; 6] =
    ["fuse.lxcfs", "fuse.portal", "fuse.gvfsd-fuse", "fuse.snapfuse", "fuse.squashfuse", "fuse.squashfuse_ll"];
/// Where mounts come and go with jobs, containers and media; one that goes from there is not missed.
const TRANSIENT: [&str; 8] = [
    "/run/",
    "/tmp/",
    "/media/",
    "/var/lib/kubelet/",
    "/var/lib/docker/",
    "/var/lib/containers/",
    "/var/lib/containerd/",
    "/var/tmp/",
];

/// A real mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) network: bool,
    pub(super) read_only: bool,
    /// It comes and goes by itself, so it is not missed.
    pub(super) transient: bool,
}

/// A line of mountinfo.
struct Line {
    device: String,
    /// The part of the filesystem that is mounted: `/`, or a folder or file of it.
    part: String,
    path: String,
    kind: String,
    read_only: bool,
}

/// The real mounts among the lines of `/proc/self/mountinfo`, local ones first, each by path.
pub(super) fn real(mountinfo: &str) -> Vec<Entry> {
    // A later line at the same path lies on top of the earlier.
    let mut on_top: BTreeMap<String, Line> = BTreeMap::new();
    let mut autofs = BTreeSet::new();
    for line in mountinfo.lines().filter_map(parse) {
        if line.kind == "autofs" {
            autofs.insert(line.path.clone());
        }
        on_top.insert(line.path.clone(), line);
    }
    let mut devices: BTreeMap<String, Line> = BTreeMap::new();
    let root = on_top.get("/").filter(|root| !IMAGES.contains(&&*root.kind)).map(entry_of_root);
    for (_, line) in on_top {
        if !is_real(&line) {
            continue;
        }
        match devices.get(&line.device) {
            Some(known) if rank(known) <= rank(&line) => {}
            _ => drop(devices.insert(line.device.clone(), line)),
        }
    }
    let mut entries: Vec<_> = devices.into_values().map(|line| entry(&line, &autofs)).collect();
    entries.extend(root.filter(|root| entries.iter().all(|entry| entry.path != root.path)));
    entries.sort_by(|a, b| (a.network, &a.path).cmp(&(b.network, &b.path)));
    entries
}

/// Mounts that `/etc/fstab` lists and `mountinfo` lacks, of kinds that would be real.
///
/// A container's fstab is that of some image, so none is expected where the root is an overlay.
pub(super) fn expected(fstab: &str, mountinfo: &str) -> Vec<Entry> {
    let mounted: BTreeMap<_, _> = mountinfo.lines().filter_map(parse).map(|line| (line.path, line.kind)).collect();
    if mounted.get("/").is_none_or(|kind| kind == "overlay") {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for line in fstab.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut columns = line.split_whitespace();
        let (Some(source), Some(path), Some(kind)) = (columns.next(), columns.next(), columns.next()) else { continue };
        let options: Vec<_> = columns.next().unwrap_or_default().split(',').collect();
        let network = is_network(kind);
        let local = source.starts_with("/dev/") || source.contains('=') || POOLS.contains(&kind);
        let optional = ["noauto", "x-systemd.automount"].iter().any(|o| options.contains(o))
            || (options.contains(&"nofail") && !network)
            || options.contains(&"bind");
        let path = unescape(path);
        let real = (network || local) && kind != "swap" && !IMAGES.contains(&kind) && path.starts_with('/');
        if real && !optional && !mounted.contains_key(&path) {
            missing.push(Entry { path, kind: kind.into(), network, read_only: false, transient: false });
        }
    }
    missing
}

fn parse(line: &str) -> Option<Line> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<_> = left.split(' ').collect();
    let [_, _, device, part, path, options, ..] = left[..] else { return None };
    let mut right = right.split(' ');
    let (kind, source, super_options) = (right.next()?, right.next()?, right.next().unwrap_or_default());
    // Filesystems without a device share major 0 in name only; pools give each of their volumes a number of its own.
    let device = if POOLS.contains(&kind) { format!("{kind} {source}") } else { device.to_owned() };
    let read_only = [options, super_options].iter().any(|options| options.split(',').any(|o| o == "ro"));
    Some(Line { device, part: unescape(part), path: unescape(path), kind: kind.to_owned(), read_only })
}

fn is_real(line: &Line) -> bool {
    let kind = &*line.kind;
    let on_device = !line.device.starts_with("0:");
    // What a container runtime lays over single files is the host's disk, at a path that names nothing of it.
    let over_a_file = line.part != "/" && ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"].contains(&&*line.path);
    (is_network(kind) || on_device) && !IMAGES.contains(&kind) && !over_a_file
}

fn is_network(kind: &str) -> bool {
    let fuse = kind.starts_with("fuse.") && !FUSE_VIEWS.contains(&kind);
    NETWORK.contains(&kind) || fuse
}

/// Of several mounts of one device, the one to show: the whole before parts of it, then the shortest path.
fn rank(line: &Line) -> (bool, usize, &str) {
    (line.part != "/", line.path.len(), &line.path)
}

fn entry(line: &Line, autofs: &BTreeSet<String>) -> Entry {
    let below = |folder: &String| {
        line.path.strip_prefix(&**folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let transient = line.kind.starts_with("fuse")
        || autofs.iter().any(below)
        || TRANSIENT.iter().any(|folder| line.path.starts_with(folder));
    let network = is_network(&line.kind);
    Entry { path: line.path.clone(), kind: line.kind.clone(), network, read_only: line.read_only, transient }
}

/// The root is shown even when it is an overlay or lies in memory: a container's, or that of a node without disks,
/// fills up like any other.
fn entry_of_root(line: &Line) -> Entry {
    entry(line, &BTreeSet::new())
}

/// Mountinfo and fstab write spaces and the like as `\040`.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| byte == b'\\');
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mountinfo: &str, expected: &[&str]) {
        let entries = real(mountinfo);
        let seen: Vec<_> = entries
            .iter()
            .map(|e| {
                let flags = [(e.network, " net"), (e.read_only, " ro"), (e.transient, " transient")];
                let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag).collect();
                format!("{} {}{flags}", e.path, e.kind)
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_server_shows_its_disks_and_its_network_mounts() {
        check(
            "22 1 0:21 / /proc rw - proc proc rw\n\
             23 1 0:22 / /sys rw - sysfs sysfs rw\n\
             24 1 0:6 / /dev rw - devtmpfs devtmpfs rw\n\
             25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw\n\
             27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n\
             28 27 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro\n\
             29 27 259:3 / /boot ro - ext4 /dev/nvme0n1p1 rw\n\
             30 27 259:2 /var/lib/x /srv/bind rw - ext4 /dev/nvme0n1p2 rw\n\
             31 27 0:41 / /home rw shared:9 master:2 - nfs4 filer:/home rw,vers=4.2\n\
             32 27 0:41 /alice /mnt/alice rw - nfs4 filer:/home rw,vers=4.2\n\
             33 27 0:50 / /scratch rw - lustre mgs@o2ib:/scratch rw\n\
             34 27 0:51 / /data rw - btrfs /dev/sdb rw,subvol=/\n\
             35 27 0:52 / /data/snap rw - btrfs /dev/sdb rw,subvol=/snap\n\
             36 27 0:60 / /net rw - autofs auto.net rw\n\
             37 36 0:61 / /net/tools ro - nfs tools:/x ro\n\
             38 27 0:62 / /mnt/my\\040bucket rw - fuse.s3fs s3fs rw\n\
             39 27 0:63 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw\n\
             40 27 0:64 / /run/user/0/gvfs rw - tmpfs tmpfs rw\n\
             41 27 8:1 / /run/media/usb rw - vfat /dev/sda1 rw\n",
            &[
                "/ ext4",
                "/boot ext4 ro",
                "/data btrfs",
                "/run/media/usb vfat transient",
                "/home nfs4 net",
                "/mnt/my bucket fuse.s3fs net transient",
                "/net/tools nfs net ro transient",
                "/scratch lustre net",
            ],
        );
    }

    #[test]
    fn a_pool_counts_once() {
        check(
            "27 1 0:30 / / rw - btrfs /dev/sda2 rw,subvol=/@\n\
             28 27 0:30 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home\n",
            &["/ btrfs"],
        );
    }

    #[test]
    fn a_container_shows_its_root() {
        check(
            "600 500 0:99 / / rw - overlay overlay rw,lowerdir=a,upperdir=b\n\
             601 600 0:21 / /proc rw - proc proc rw\n\
             602 600 259:2 /docker/hosts /etc/hosts rw - ext4 /dev/nvme0n1p2 rw\n\
             603 600 0:41 /work /work rw - nfs4 filer:/home rw\n",
            &["/ overlay", "/work nfs4 net"],
        );
    }

    #[test]
    fn a_node_without_disks_shows_its_root_in_memory() {
        check("1 1 0:2 / / rw - rootfs rootfs rw\n2 1 0:18 / / rw - tmpfs rootfs rw\n", &["/ tmpfs"]);
        check("1 1 7:0 / / ro - squashfs /dev/loop0 ro\n", &[]);
    }

    #[test]
    fn what_lies_under_another_mount_is_not_seen() {
        check(
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /x rw - xfs /dev/sdb1 rw\n3 1 0:9 / /x rw - tmpfs t rw\n",
            &["/ ext4"],
        );
    }

    #[test]
    fn fstab_says_what_is_missing() {
        let fstab = "# comment\n\
            UUID=1-2 / ext4 defaults 0 1\n\
            UUID=3-4 /boot/efi vfat nofail 0 1\n\
            UUID=5-6 none swap sw 0 0\n\
            /dev/sdb1 /scratch xfs defaults 0 2\n\
            filer:/home /home nfs4 rw,nofail,_netdev 0 0\n\
            filer:/sw /sw nfs4 noauto,x-systemd.automount 0 0\n\
            tmpfs /tmp tmpfs size=1G 0 0\n\
            filer:/big\\040data /big\\040data nfs rw 0 0\n";
        let missing = |mountinfo: &str| expected(fstab, mountinfo).into_iter().map(|e| e.path).collect::<Vec<_>>();
        let root = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(missing(root), ["/scratch", "/home", "/big data"]);
        assert_eq!(missing(&format!("{root}2 1 8:2 / /scratch rw - xfs /dev/sdb1 rw\n")), ["/home", "/big data"]);
        assert_eq!(missing("1 0 0:9 / / rw - overlay overlay rw\n"), [""; 0], "a container's fstab is an image's");
    }
}
