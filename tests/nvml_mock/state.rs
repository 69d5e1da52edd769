//! What one copy of the library remembers, and the way that every call takes through it.

use std::{
    ffi::{CStr, OsString, c_void},
    io::Write,
    os::unix::ffi::OsStringExt,
    path::PathBuf,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST as GPU_IS_LOST,
    nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT as INVALID_ARGUMENT, nvmlReturn_enum_NVML_ERROR_UNINITIALIZED,
    nvmlReturn_enum_NVML_SUCCESS as SUCCESS, nvmlReturn_t,
};

use crate::{
    control::{Control, Xid},
    events::Sets,
    gpu::Unit,
};

/// Set as the library is loaded: values move from here on.
static LOADED: LazyLock<Instant> = LazyLock::new(Instant::now);
static STATE: LazyLock<Mutex<State>> = LazyLock::new(|| {
    // XIDs that the file held before the library was loaded are past: NVML delivers none of those.
    Mutex::new(State { opened: 0, raised: read_control().xids(), sets: Sets::default() })
});

/// What outlives a call.
pub(crate) struct State {
    /// How often NVML was initialised less how often it was shut down.
    pub(crate) opened: u32,
    pub(crate) raised: Vec<Xid>,
    pub(crate) sets: Sets,
}

pub(crate) fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since the library was loaded.
pub(crate) fn seconds() -> f64 {
    LOADED.elapsed().as_secs_f64()
}

/// A call that is about no GPU.
pub(crate) fn answer(call: &'static str, give: impl FnOnce(&Control) -> Result<(), nvmlReturn_t>) -> nvmlReturn_t {
    let control = pass(None, call);
    code(match control.fails(None, call) {
        Some(code) => Err(code),
        None if state().opened == 0 && !call.starts_with("nvmlInit") => Err(nvmlReturn_enum_NVML_ERROR_UNINITIALIZED),
        None => give(&control),
    })
}

/// A call about a GPU or a MIG instance.
pub(crate) fn answer_for(
    call: &'static str,
    device: nvmlDevice_t,
    give: impl FnOnce(&Unit) -> Result<(), nvmlReturn_t>,
) -> nvmlReturn_t {
    let Some((gpu, instance)) = from_handle(device) else { return INVALID_ARGUMENT };
    let control = pass(Some(gpu), call);
    code(if state().opened == 0 {
        Err(nvmlReturn_enum_NVML_ERROR_UNINITIALIZED)
    } else if control.lost(gpu) || !control.listed().contains(&gpu) {
        Err(GPU_IS_LOST)
    } else if let Some(code) = control.fails(Some(gpu), call) {
        Err(code)
    } else {
        give(&Unit { gpu, instance, seconds: seconds(), control })
    })
}

/// The opaque handle of a GPU or of one of its MIG instances.
pub(crate) fn handle(gpu: usize, instance: Option<usize>) -> nvmlDevice_t {
    std::ptr::without_provenance_mut((gpu + 1) << 8 | instance.map_or(0, |i| i + 1))
}

pub(crate) fn from_handle(device: nvmlDevice_t) -> Option<(usize, Option<usize>)> {
    let bits = device.addr();
    Some(((bits >> 8).checked_sub(1)?, (bits & 0xff).checked_sub(1)))
}

/// Notes the call, and takes as long as the control file makes it take.
fn pass(gpu: Option<usize>, call: &'static str) -> Control {
    let control = read_control();
    if control.log {
        log(gpu, call);
    }
    thread::sleep(Duration::from_millis(control.takes(gpu, call)));
    raise(&control);
    if !control.hangs(gpu, call) {
        return control;
    }
    loop {
        thread::sleep(Duration::from_millis(5));
        let control = read_control();
        if !control.hangs(gpu, call) {
            return control;
        }
    }
}

/// Raises the XIDs that the control file has gained.
fn raise(control: &Control) {
    let mut state = state();
    for xid in control.xids() {
        if !state.raised.contains(&xid) {
            state.sets.raise(xid.gpu, xid.code);
            state.raised.push(xid);
        }
    }
}

fn code(result: Result<(), nvmlReturn_t>) -> nvmlReturn_t {
    result.err().unwrap_or(SUCCESS)
}

fn log(gpu: Option<usize>, call: &str) {
    let file = std::fs::File::options().append(true).create(true).open(beside("calls"));
    let line = gpu.map_or_else(|| format!("{call}\n"), |gpu| format!("{call} {gpu}\n"));
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the mock's log of calls can be written");
}

fn read_control() -> Control {
    let path = std::env::var_os("NVML_MOCK_CONTROL").map_or_else(|| beside("control"), PathBuf::from);
    Control::parse(&std::fs::read_to_string(path).unwrap_or_default())
}

/// The path of this library with `.EXTENSION` behind it.
fn beside(extension: &str) -> PathBuf {
    // SAFETY: `Dl_info` is a struct of pointers, for which all zeroes is a valid value; `dladdr` only fills it, and on
    // success `dli_fname` is a string that lives as long as this library is loaded.
    let mut path = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let here = beside as *const c_void;
        assert!(libc::dladdr(here, &raw mut info) != 0, "the mock finds its own file");
        CStr::from_ptr(info.dli_fname).to_bytes().to_vec()
    };
    path.push(b'.');
    path.extend(extension.bytes());
    OsString::from_vec(path).into()
}
