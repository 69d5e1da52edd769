//! Hands answers to the caller through its pointers.

use std::ffi::{c_char, c_uint};

use nvml_wrapper_sys::bindings::{
    nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE as INSUFFICIENT_SIZE,
    nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT as INVALID_ARGUMENT, nvmlReturn_t,
};

/// Hands `value` to the caller.
///
/// # Safety
/// `out` is null or may be written.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) -> Result<(), nvmlReturn_t> {
    if out.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the caller vouches for it.
    unsafe { out.write(value) };
    Ok(())
}

/// Hands a string to the caller, whole or not at all.
///
/// # Safety
/// `out` is null or has room for `room` bytes.
pub(crate) unsafe fn put_text(out: *mut c_char, room: c_uint, text: &str) -> Result<(), nvmlReturn_t> {
    if out.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    if text.len() >= room as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    // SAFETY: the text and the zero behind it fit.
    unsafe {
        out.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        out.add(text.len()).write(0);
    }
    Ok(())
}

/// Hands as many items to the caller as there is room for, the way of NVML's lists: too little room is an error that
/// says how much is needed.
///
/// # Safety
/// `room` may be read and written; `out` is null or has room for that many items.
pub(crate) unsafe fn put_list<T>(out: *mut T, room: *mut c_uint, items: &[T]) -> Result<(), nvmlReturn_t> {
    // SAFETY: the caller vouches for both pointers, and the items fit where they are written.
    unsafe {
        let has = std::mem::replace(&mut *room, items.len() as c_uint) as usize;
        if items.is_empty() {
            return Ok(());
        }
        if out.is_null() || has < items.len() {
            return Err(INSUFFICIENT_SIZE);
        }
        out.copy_from_nonoverlapping(items.as_ptr(), items.len());
    }
    Ok(())
}
