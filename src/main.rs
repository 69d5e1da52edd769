//! The `supertop` binary. All of it is in the library; see `src/lib.rs`.

fn main() -> std::process::ExitCode {
    supertop::cli::main()
}
