//! How much memory a piece of work takes.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; this one counts and hands on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread took and did not give back, and the most of them.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    // A thread that ends counts no more.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count(len as isize - layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, len) }
    }
}

/// Does something on this thread; what came of it, and the most bytes it held at a time.
pub(crate) fn most_held<T>(job: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.with(|held| {
        let (now, _) = held.get();
        held.set((now, now));
        now
    });
    let done = job();
    let (_, most) = HELD.with(Cell::get);
    (done, (most - before).unsigned_abs())
}

#[test]
fn memory_is_counted() {
    let (len, most) = most_held(|| {
        let first = vec![1_u8; 5000];
        let mut second = Vec::with_capacity(2000);
        drop(first);
        second.extend([0_u8; 9000]);
        second.len()
    });
    assert_eq!(len, 9000);
    assert!((9000..20_000).contains(&most), "{most}");
}
