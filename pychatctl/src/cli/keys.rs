//! What can be typed about people's keys.

use crate::complete;
use clap::Args;

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
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
#[command(after_help = TRUST_HELP)]
pub(crate) struct TrustArgs {
    /// The user whose key changed.
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: String,
    /// Do not ask first.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

const VERIFY_HELP: &str = "\
Both of you see the same 60 digits if nobody stands between you. Compare them
by voice or camera, not over the chat itself:
  pychatctl verify bob                            and bob: verify alice
  pychatctl verify bob --code '02866 37825 ...'   what bob reads out to you
Exit code 7: the numbers differ, or the key changed.";

const TRUST_HELP: &str = "\
A key changes when somebody starts anew on another machine, or when somebody
poses as them. What you send is held until you decide. For example:
  pychatctl verify bob        compare the number of the new key with bob
  pychatctl trust bob         then accept it: what is held goes out
  pychatctl trust bob --yes   the same in a script";

/// What the help of `contacts` ends with.
pub(super) const CONTACTS_HELP: &str = "\
pinned    the key is the first one that came; nobody compared it
verified  you compared it: pychatctl verify USER
CHANGED   another key presents itself, and what you send is held:
          pychatctl verify USER, then pychatctl trust USER";
