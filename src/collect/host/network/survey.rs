//! Which network ports a machine has: hardware, each once.
//!
//! Of `/sys/class/infiniband`, every port of every device that is no virtual function and no software device.
//! Of `/sys/class/net`, Ethernet interfaces with a device behind them that are neither virtual functions, nor
//! representors of such, nor members of an interface that is hardware itself (on Azure, the synthetic one counts what
//! its accelerated member carries). That leaves out loopback, veth, bridges, bonds (their members count), VLANs,
//! tunnels and containers' interfaces. A port that was never switched on is not of note.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::port::Port;
use crate::{collect::host::source, model::report::Nic};

const ETHERNET: &str = "1";
const IFF_UP: u32 = 1;

/// The ports of note, RDMA ports first, each kind by name. One that is `known` stays of note when it is switched off.
pub(super) fn ports(root: &Path, known: &[&Nic]) -> Vec<Port> {
    let mut ports = rdma(&root.join("sys/class/infiniband"));
    let net = root.join("sys/class/net");
    let is_of_note = |name: &String| is_up(&net.join(name)) || known.iter().any(|nic| nic.name == *name);
    let hardware: Vec<_> = source::names(&net).into_iter().filter(|name| is_hardware(&net, name)).collect();
    let chosen = if hardware.is_empty() { default_route(root, &net).into_iter().collect() } else { hardware };
    ports.extend(chosen.into_iter().filter(is_of_note).map(|name| {
        let folder = net.join(&name);
        let bus = pci_address(&folder.join("device"));
        Port::ethernet(Nic { name, kind: "ethernet".into(), bus, gpu: None }, folder)
    }));
    ports
}

fn rdma(class: &Path) -> Vec<Port> {
    let mut found = Vec::new();
    for device in source::names(class) {
        let folder = class.join(&device);
        let hardware = folder.join("device");
        if !hardware.exists() || hardware.join("physfn").exists() {
            continue;
        }
        let driver = fs::read_link(hardware.join("driver")).unwrap_or_default();
        let numbers = source::names(&folder.join("ports"));
        for number in &numbers {
            let port = folder.join("ports").join(number);
            let kind = match source::text(&port.join("link_layer")).as_deref() {
                _ if driver.ends_with("efa") => "efa",
                Ok("Ethernet") => "roce",
                _ => "infiniband",
            };
            let name = if numbers.len() == 1 { device.clone() } else { format!("{device}/{number}") };
            let nic = Nic { name, kind: kind.into(), bus: pci_address(&hardware), gpu: None };
            found.push(Port::rdma(nic, port));
        }
    }
    found
}

fn is_hardware(net: &Path, name: &str) -> bool {
    let folder = net.join(name);
    let has_device = |folder: &Path| folder.join("device").exists();
    is_ethernet(&folder)
        && has_device(&folder)
        && !folder.join("device/physfn").exists()
        && !is_representor(&folder)
        && !has_device(&folder.join("master"))
}

fn is_ethernet(folder: &Path) -> bool {
    source::text(&folder.join("type")).is_ok_and(|kind| kind == ETHERNET)
}

/// Whether it stands for a virtual function or subfunction of its device: `pf0vf3`, `c1pf0`. The wire's own is `p0`.
fn is_representor(folder: &Path) -> bool {
    let Ok(port) = source::text(&folder.join("phys_port_name")) else { return false };
    let port = match port.strip_prefix('c') {
        Some(controller) => controller.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => &port,
    };
    port.starts_with("pf")
}

fn is_up(folder: &Path) -> bool {
    let flags = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    source::parsed(&folder.join("flags"), flags).is_ok_and(|flags| flags & IFF_UP != 0)
}

/// The Ethernet interface of the default route, that of IPv6 where IPv4 has none.
fn default_route(root: &Path, net: &Path) -> Option<String> {
    let v4 = source::text(&root.join("proc/net/route")).unwrap_or_default();
    let v4 = v4.lines().skip(1).filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let is_default = columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000");
        is_default.then(|| Some((columns.get(6)?.parse().ok()?, (*columns.first()?).to_owned()))).flatten()
    });
    let v6 = source::text(&root.join("proc/net/ipv6_route")).unwrap_or_default();
    let v6 = v6.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let is_default = columns.first()?.bytes().all(|b| b == b'0') && columns.get(1) == Some(&"00");
        is_default
            .then(|| Some((u32::from_str_radix(columns.get(5)?, 16).ok()?, (*columns.get(9)?).to_owned())))
            .flatten()
    });
    let best = |routes: &mut dyn Iterator<Item = (u32, String)>| {
        routes.filter(|(_, name)| is_ethernet(&net.join(name))).min().map(|(_, name)| name)
    };
    best(&mut v4.into_iter()).or_else(|| best(&mut v6.into_iter()))
}

/// The PCI address of a device: its own, or that of what it sits on, as with virtio. Empty without one.
fn pci_address(device: &Path) -> String {
    let path: PathBuf = fs::canonicalize(device).unwrap_or_default();
    let mut names = path.iter().rev().map(|name| name.to_string_lossy());
    names.find(|name| is_pci_address(name)).map_or_else(String::new, std::borrow::Cow::into_owned)
}

/// `0000:9b:00.0`
fn is_pci_address(name: &str) -> bool {
    let parts: Vec<_> = name.split([':', '.']).collect();
    let is_hex = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(&parts[..], [domain, bus, slot, function]
        if domain.len() >= 4 && bus.len() == 2 && slot.len() == 2 && function.len() == 1)
        && parts.iter().all(is_hex)
}
