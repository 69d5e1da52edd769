//! The `supertop` binary. All of it is in the library; see `src/lib.rs`.

/// A hub takes in millions of small lists an hour, and glibc's allocator was a quarter of its work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    supertop::cli::main()
}
