//! The pictures of the README, taken from the real programs in a real terminal: what
//! `cargo xtask pictures` runs, as `pictures DIRECTORY`.
//!
//! Everything but the pictures lives in temporary directories and ends with the program.

#[cfg(unix)]
mod cast;
#[cfg(unix)]
mod full_screen;
#[cfg(unix)]
mod survives;
mod svg;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    use std::{fs, path::PathBuf};
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: pictures DIRECTORY");
        return ExitCode::from(2);
    };
    for (file, take) in
        [("chat.svg", full_screen::take as fn() -> String), ("survives.svg", survives::take)]
    {
        let path = directory.join(file);
        if let Err(error) = fs::write(&path, take()) {
            eprintln!("error: {} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("drew {}", path.display());
    }
    ExitCode::SUCCESS
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("error: there is no tmux here, in which the pictures are taken");
    ExitCode::FAILURE
}
