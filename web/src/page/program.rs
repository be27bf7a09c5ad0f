//! Chooses the engine's program that the page loads, by what the browser has and what the address
//! asks for.

use super::language::{Table, Words};
use crate::protocol::{Backend, Code, Failure, Remedy};

/// A program that holds an engine. All of them use the same protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// For the processor, with relaxed SIMD: faster, and not in every browser.
    CpuRelaxed,
    /// For the processor, with the SIMD that browsers have had since 2021 to 2023.
    Cpu,
    /// For the GPU, through WebGPU.
    Gpu,
}

impl Program {
    /// Returns the name that its files begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuRelaxed => "engine-cpu-relaxed",
            Self::Cpu => "engine-cpu",
            Self::Gpu => "engine-gpu",
        }
    }

    /// Returns the device that the program computes on.
    pub fn backend(self) -> Backend {
        match self {
            Self::CpuRelaxed | Self::Cpu => Backend::Cpu,
            Self::Gpu => Backend::Gpu,
        }
    }
}

/// The vector instructions of WebAssembly that a browser has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// None.
    Missing,
    /// The SIMD instructions of 128 bits.
    Plain,
    /// Also the relaxed ones, such as a fused multiply and add.
    Relaxed,
}

impl Simd {
    /// A module that holds nothing but one instruction of 128-bit SIMD, `i8x16.popcnt`.
    pub const PLAIN: [u8; 30] =
        *b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7b\x03\x02\x01\0\x0a\x0a\x01\x08\0\x41\0\
        \xfd\x0f\xfd\x62";
    /// A module that holds nothing but the relaxed instruction `f32x4.relaxed_madd`.
    pub const RELAXED: [u8; 39] =
        *b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7b\x03\x02\x01\0\x0a\x13\x01\x11\0\
        \x41\0\xfd\x0f\x41\0\xfd\x0f\x41\0\xfd\x0f\xfd\x85\x02";

    /// Finds out which instructions the browser has. `validate` returns whether it accepts a
    /// module.
    pub fn probe(validate: impl Fn(&[u8]) -> bool) -> Self {
        let takes = |module: &[u8]| validate(&[module, b"\x0b"].concat());
        match (takes(&Self::PLAIN), takes(&Self::RELAXED)) {
            (true, true) => Self::Relaxed,
            (true, false) => Self::Plain,
            (false, _) => Self::Missing,
        }
    }
}

/// The engine that the address asks for with `?backend=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// No wish: the processor first, and after the first image the GPU if it is worth it.
    Any,
    /// `cpu`: the processor alone.
    Cpu,
    /// `cpu-simd`: the same without relaxed SIMD.
    CpuSimd,
    /// `gpu`: the GPU alone, whatever it is.
    Gpu,
}

impl Wish {
    /// Reads the parameter. An unknown one counts as no wish.
    pub fn parse(parameter: Option<&str>) -> Self {
        match parameter {
            Some("cpu") => Self::Cpu,
            Some("cpu-simd") => Self::CpuSimd,
            Some("gpu") => Self::Gpu,
            _ => Self::Any,
        }
    }

    /// Returns the device that makes the first image.
    pub fn backend(self) -> Backend {
        if self == Self::Gpu { Backend::Gpu } else { Backend::Cpu }
    }

    /// Lists the programs for the processor in the order in which to try them. If one is not on the
    /// server, the next is tried.
    pub fn for_cpu(self, simd: Simd) -> &'static [Program] {
        match (simd, self) {
            (Simd::Missing, _) => &[],
            (Simd::Relaxed, Self::Any | Self::Cpu | Self::Gpu) => &[Program::CpuRelaxed, Program::Cpu],
            (Simd::Relaxed, Self::CpuSimd) | (Simd::Plain, _) => &[Program::Cpu],
        }
    }
}

/// Makes the failure for a browser without SIMD.
pub fn no_simd(words: &Table) -> Failure {
    Failure::new(Code::Simd, words.shared_no_simd(), Remedy::Reload)
}

/// Why a program did not load, as far as its server tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The server does not have it: status 404 or 410.
    Missing,
    /// The server answers with another status, or has the file, but it cannot be used.
    Unknown,
    /// The server does not answer.
    Unreachable,
}

/// Makes the failure for a program that did not load. `detail` is in the browser's words.
pub fn not_loaded(words: &Words, program: Program, absence: Absence, detail: String) -> Failure {
    let (sentence, remedy) = match (absence, program) {
        (Absence::Missing, Program::Gpu) => (words.engine_unbuilt(), Remedy::UseCpu),
        (Absence::Missing, _) => {
            (words.engine_missing(&format_args!("{}_bg.wasm", program.name())), Remedy::Retry)
        }
        (Absence::Unknown | Absence::Unreachable, _) => (words.engine_not_loaded(), Remedy::Retry),
    };
    Failure { detail, ..Failure::new(Code::Engine, sentence, remedy) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module's sections add up to its length.
    fn is_whole(module: &[u8]) -> bool {
        let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0").unwrap();
        while let [_, length, after @ ..] = rest {
            let Some(next) = after.get(usize::from(*length)..) else { return false };
            rest = next;
        }
        rest.is_empty()
    }

    #[test]
    fn relaxed_simd_is_used_where_a_module_of_it_is_taken() {
        let relaxed = |module: &[u8]| module.windows(3).any(|w| w == [0xfd, 0x85, 0x02]);
        assert_eq!(Simd::probe(is_whole), Simd::Relaxed, "both modules are well formed");
        assert_eq!(Simd::probe(|module| is_whole(module) && !relaxed(module)), Simd::Plain);
        assert_eq!(Simd::probe(|_| false), Simd::Missing);
        assert_eq!(Simd::probe(relaxed), Simd::Missing, "one without the other is none");
    }

    #[test]
    fn the_plain_program_stands_behind_the_relaxed_one_and_alone_where_it_is_asked_for() {
        for wish in [Wish::Any, Wish::Cpu, Wish::Gpu] {
            assert_eq!(wish.for_cpu(Simd::Relaxed), [Program::CpuRelaxed, Program::Cpu]);
            assert_eq!(wish.for_cpu(Simd::Plain), [Program::Cpu]);
            assert!(wish.for_cpu(Simd::Missing).is_empty());
        }
        assert_eq!(Wish::CpuSimd.for_cpu(Simd::Relaxed), [Program::Cpu]);
    }

    #[test]
    fn the_address_may_ask_for_an_engine() {
        let wishes = [(None, Wish::Any), (Some("cpu"), Wish::Cpu), (Some("cpu-simd"), Wish::CpuSimd)];
        for (parameter, wish) in wishes {
            assert_eq!(Wish::parse(parameter), wish);
            assert_eq!(wish.backend(), Backend::Cpu);
        }
        assert_eq!((Wish::parse(Some("gpu")), Wish::Gpu.backend()), (Wish::Gpu, Backend::Gpu));
        assert_eq!(Wish::parse(Some("abacus")), Wish::Any);
    }
}
