//! `pychat-attack`: runs attacks against release programs and prints a table. See `cargo xtask attack`.

#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    table::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("error: attacks are measured on Linux");
}
