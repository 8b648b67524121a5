//! The allocator of Dipper's binaries: mimalloc, which keeps what is free for a minute.
//!
//! Libraries name no allocator; a binary names [`Allocator`] and begins with [`keep_free_memory`]. This is the only crate with unsafe
//! code, for the one call that the option takes (ADR 16).

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
pub use mimalloc::MiMalloc as Allocator;

/// Its place among the options, in versions 2 and 3 alike. The crate gives no name to those that mimalloc calls advanced.
const PURGE_DELAY: mi_option_t = 15;

/// How long free memory stays, in ms. Mimalloc's own second is as long as it is from one checkpoint to the next.
const KEPT_MS: u16 = 60_000;

/// Free memory goes back to the system after a minute, not after a second, unless the environment says otherwise
/// (`MIMALLOC_PURGE_DELAY`, in ms). To be called before there are other threads.
pub fn keep_free_memory() {
    #[allow(unsafe_code, reason = "a number is written into a table of numbers, and no other thread reads it yet")]
    unsafe {
        mi_option_set_default(PURGE_DELAY, KEPT_MS.into());
    }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_a_second_by_itself() {
        #[allow(unsafe_code, reason = "no other thread writes it")]
        let get = || unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(get(), 1000);
        keep_free_memory();
        assert_eq!(get(), 60_000);
    }
}
