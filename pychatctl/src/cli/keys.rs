//! What can be typed about people's keys.

use crate::complete;
use clap::Args;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The user to compare with.
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: String,
    /// The safety number that PEER sees, or what PEER's QR code says: marks PEER as verified if it
    /// is the same as here.
    #[arg(long, value_name = "CODE", num_args = 1.., conflicts_with_all = ["qr", "no_qr"])]
    pub(crate) code: Option<Vec<String>>,
    /// Draw the QR code, into a pipe too.
    #[arg(long, conflicts_with = "no_qr")]
    pub(crate) qr: bool,
    /// Draw no QR code.
    #[arg(long)]
    pub(crate) no_qr: bool,
}

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// The user whose key changed.
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: String,
    /// Do not ask first.
    #[arg(short, long)]
    pub(crate) yes: bool,
}
