//! The program's own code on huge pages.
//!
//! A call runs through some half a megabyte of code that lies scattered over the whole binary, so on pages of 4 KiB the
//! processor spends a good part of it on finding out where code is. Here the text is copied once, at the start, to memory
//! that the kernel backs with transparent huge pages, and moved over the original with one `mremap(2)`: what Chrome,
//! ClickHouse and Node.js do for the same reason ([ADR 0007]). The copy is never writable and executable at once, and
//! whatever stands in the way (no huge pages, SELinux' `execmem`, `PR_SET_MDWE`) leaves the code where it was.
//!
//! [ADR 0007]: ../../../docs/adr/0007-code-on-huge-pages.md

use std::{fmt, fs, num::ParseIntError, ops::Range};

const FOLDER: &str = "/sys/kernel/mm/transparent_hugepage";
/// The largest huge page that is reckoned with; x86-64 has 2 MiB.
const PAGE_MOST: usize = 4 << 20;

/// Code that lies on huge pages now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// How much, in bytes.
    pub(crate) bytes: usize,
}

/// Why code stays on small pages. None of these is a fault of anybody's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stays {
    #[error("the kernel offers no transparent huge pages: {0}")]
    Unavailable(String),
    #[error("{0} threads run already")]
    Threads(usize),
    #[error("`/proc/self/maps` does not show the code")]
    Unmapped,
    #[error("the code is shorter than a huge page")]
    Short,
    #[error("the kernel refuses to {step}: {fault}")]
    Refused { step: Step, fault: rustix::io::Errno },
}

/// What is asked of the kernel, in order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Reserve,
    Advise,
    Protect,
    Move,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Reserve => "map memory",
            Self::Advise => "back memory with huge pages",
            Self::Protect => "make memory executable",
            Self::Move => "move memory over the code",
        })
    }
}

/// Moves the code around `within` to huge pages. To be called before any other thread runs.
pub(crate) fn move_code(within: fn() -> std::process::ExitCode) -> Result<Moved, Stays> {
    let page = page_size()?;
    // Another thread could map or unmap something meanwhile, or come to be in the middle of a half-made copy.
    let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads != 1 {
        return Err(Stays::Threads(threads));
    }
    let maps = fs::read_to_string("/proc/self/maps").map_err(|_| Stays::Unmapped)?;
    let text = executable_around(&maps, within as usize).ok_or(Stays::Unmapped)?;
    let whole = whole_pages(&text, page).ok_or(Stays::Short)?;
    let bytes = whole.len();
    remap::replace(whole, page)?;
    Ok(Moved { bytes })
}

/// Size of a huge page, if this process may have some.
fn page_size() -> Result<usize, Stays> {
    let read = |name: &str| {
        let path = format!("{FOLDER}/{name}");
        fs::read_to_string(&path).map_err(|fault| Stays::Unavailable(format!("{path}: {fault}")))
    };
    let enabled = read("enabled")?;
    if enabled.contains("[never]") {
        return Err(Stays::Unavailable(format!("{FOLDER}/enabled says never")));
    }
    let size = read("hpage_pmd_size")?;
    let size: usize = size
        .trim()
        .parse()
        .map_err(|fault: ParseIntError| Stays::Unavailable(fault.to_string()))?;
    if !size.is_power_of_two() || size > PAGE_MOST {
        return Err(Stays::Unavailable(format!("a huge page has {size} bytes")));
    }
    Ok(size)
}

/// The executable mapping that holds `address`, in the form of proc_pid_maps(5).
fn executable_around(maps: &str, address: usize) -> Option<Range<usize>> {
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        (fields.next()? == "r-xp" && range.contains(&address)).then_some(range)
    })
}

/// The huge pages that lie in `range` as a whole.
fn whole_pages(range: &Range<usize>, page: usize) -> Option<Range<usize>> {
    let start = range.start.checked_next_multiple_of(page)?;
    let end = range.end - range.end % page;
    (start < end).then_some(start..end)
}

mod remap {
    #![expect(
        unsafe_code,
        reason = "no safe interface moves memory that is being executed; this is the only place in the workspace"
    )]

    use std::{ops::Range, ptr};

    use rustix::mm::{
        Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mprotect,
        mremap_fixed, munmap,
    };

    use super::{Stays, Step};

    /// Mapped memory that nothing points at; unmapped when dropped.
    struct Spare {
        start: usize,
        length: usize,
    }

    impl Drop for Spare {
        fn drop(&mut self) {
            // SAFETY: we mapped it, nobody else has its address, and what was moved away of it is a hole by now, which
            // munmap(2) passes over.
            let _ = unsafe { munmap(ptr::with_exposed_provenance_mut(self.start), self.length) };
        }
    }

    /// Replaces `code` by a copy of itself on huge pages of `page` bytes. `code`: whole huge pages of the executable
    /// mapping of this program, while no other thread runs.
    pub(super) fn replace(code: Range<usize>, page: usize) -> Result<(), Stays> {
        let refused = |step| move |fault| Stays::Refused { step, fault };
        let length = code.len();
        let writable = ProtFlags::READ | ProtFlags::WRITE;
        // A page more than needed, so that a start can be chosen that is a multiple of a huge page.
        // SAFETY: a new private mapping where the kernel likes touches nothing that exists.
        let spare = unsafe { mmap_anonymous(ptr::null_mut(), length + page, writable, MapFlags::PRIVATE) }
            .map_err(refused(Step::Reserve))?;
        let spare = Spare {
            start: spare.expose_provenance(),
            length: length + page,
        };
        let copy = ptr::with_exposed_provenance_mut(spare.start.next_multiple_of(page));
        // SAFETY: `copy` and the `length` bytes behind it lie in `spare`, which is ours alone.
        unsafe { madvise(copy, length, Advice::LinuxHugepage) }.map_err(refused(Step::Advise))?;
        // SAFETY: `code` is mapped readable and nobody writes to it; `copy` is writable, as long, and somewhere else.
        unsafe {
            ptr::copy_nonoverlapping(
                ptr::with_exposed_provenance::<u8>(code.start),
                copy.cast(),
                length,
            )
        };
        // SAFETY: as for the advice. From here on the copy can't be written to.
        unsafe { mprotect(copy, length, MprotectFlags::READ | MprotectFlags::EXEC) }
            .map_err(refused(Step::Protect))?;
        // SAFETY: what is replaced is code of ours and nothing else; what replaces it has the same bytes at the same
        // addresses and may be executed, so whatever points or returns there goes on. The kernel does it in one call,
        // under its lock of the address space, and no other thread could see it half done.
        unsafe {
            mremap_fixed(
                copy,
                length,
                length,
                MremapFlags::MAYMOVE,
                ptr::with_exposed_provenance_mut(code.start),
            )
        }
        .map_err(refused(Step::Move))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55f0a0000000-55f0a0d49000 r--p 00000000 fe:00 5313236    /usr/bin/bartizan
55f0a0d4a000-55f0a32b3000 r-xp 00d49000 fe:00 5313236    /usr/bin/bartizan
55f0a32b3000-55f0a3416000 rw-p 032b1000 fe:00 5313236    /usr/bin/bartizan
7f0000000000-7f0000028000 r-xp 00000000 fe:00 1          /usr/lib/libc.so.6
";

    #[test]
    fn the_mapping_of_an_address_is_found_if_it_is_code() {
        assert_eq!(
            executable_around(MAPS, 0x55f0_a100_0000),
            Some(0x55f0_a0d4_a000..0x55f0_a32b_3000)
        );
        for elsewhere in [0x55f0_a000_0000, 0x55f0_a32b_3000, 0x7f00_0002_8000, 0] {
            assert_eq!(executable_around(MAPS, elsewhere), None, "{elsewhere:x}");
        }
        assert_eq!(executable_around("nonsense\n-\nx-y r-xp\n", 1), None);
    }

    #[test]
    fn only_whole_pages_are_moved() {
        let page = 0x20_0000;
        assert_eq!(
            whole_pages(&(0x20_0000..0x60_0000), page),
            Some(0x20_0000..0x60_0000)
        );
        assert_eq!(
            whole_pages(&(0x20_0001..0x60_0001), page),
            Some(0x40_0000..0x60_0000)
        );
        assert_eq!(whole_pages(&(0x20_0001..0x5f_ffff), page), None);
        assert_eq!(whole_pages(&(usize::MAX - 5..usize::MAX), page), None);
    }

    #[test]
    fn nothing_moves_while_other_threads_run() {
        // The harness runs tests on threads of their own, so there is always another.
        let moved = move_code(|| std::process::ExitCode::SUCCESS);
        assert!(
            matches!(moved, Err(Stays::Threads(2..) | Stays::Unavailable(_))),
            "{moved:?}"
        );
    }
}
