//! What the daemon wants the person to know: shown once, beside what a command says.

use super::Context;
use crate::{output::Failed, screen::clean_line};
use std::{
    fs::{self, File},
    io::Read,
};

/// More of a notice is not shown.
const BYTES_MAX: u64 = 4096;

/// Shows it, where remarks are wanted, and forgets it then.
pub(super) fn show(context: &mut Context) -> Result<(), Failed> {
    let path = context.settings.place.notice_file();
    if !context.out.remarks {
        return Ok(());
    }
    // There hardly ever is one.
    let Ok(file) = File::open(&path) else { return Ok(()) };
    let mut bytes = Vec::new();
    if file.take(BYTES_MAX).read_to_end(&mut bytes).is_err() {
        return Ok(());
    }
    for line in String::from_utf8_lossy(&bytes).lines() {
        context.out.remark(&clean_line(line))?;
    }
    // One that stays is shown again.
    let _ = fs::remove_file(path);
    Ok(())
}
