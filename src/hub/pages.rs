//! Memory in huge pages: a hub of half a million GPUs works a fifth less with them, for it looks all over its memory;
//! an agent would hold 24 MB instead of 13 MB. So no process has them until it has many nodes.

/// Nodes from which on huge pages are worth their size.
const MANY: usize = 4096;

/// From now on this process has no huge pages, whatever its allocator asks for.
pub fn refuse_huge() {
    set(true);
}

/// A process with so many nodes may have huge pages, if they are many.
pub fn allow_huge_for(nodes: usize) {
    if nodes >= MANY {
        set(false);
    }
}

#[cfg(target_os = "linux")]
fn set(is_refused: bool) {
    // A kernel that does not know of them has none to refuse.
    let _ = rustix::thread::disable_transparent_huge_pages(is_refused);
}

#[cfg(not(target_os = "linux"))]
fn set(_: bool) {}
