//! One request to the core and its answer as a line that fits.

use crate::handle::{Handle, ToCore};
use pychat_control::{
    ConversationsParams, ErrorCode, Failure, HistoryParams, Id, InboxParams, LINE_BYTES_MAX,
    Request, RpcError, SearchParams, error_line, result_line,
};
use serde_json::Value;
use tokio::sync::oneshot;

/// A request that the core has, and where its answer comes from.
pub(super) struct Asked {
    again: Option<Request>,
    answer: oneshot::Receiver<Result<Value, Failure>>,
}

/// Hands `request` to the core. Requests of a connection reach the core in their order.
pub(super) async fn ask(handle: &Handle, request: Request) -> Result<Asked, Failure> {
    let again = smaller(&request);
    let (respond, answer) = oneshot::channel();
    let sent = handle.0.send(ToCore::Request { request, respond }).await;
    sent.map_err(|_| ending())?;
    Ok(Asked { again, answer })
}

/// Waits for the answer, as a line. A list that does not fit a line is asked for again, shorter:
/// the answer then says where to go on.
pub(super) async fn answer(handle: &Handle, mut asked: Asked, id: &Id) -> String {
    loop {
        let result = match asked.answer.await {
            Ok(Ok(result)) => result,
            Ok(Err(failure)) => return error_line(id, &failure.into()),
            Err(_) => return error_line(id, &ending().into()),
        };
        let line = result_line(id, &result);
        // The line feed does not count.
        if line.len() <= LINE_BYTES_MAX + 1 {
            return line;
        }
        let Some(shorter) = asked.again.take() else {
            return error_line(id, &too_long());
        };
        asked = match ask(handle, shorter).await {
            Ok(asked) => asked,
            Err(failure) => return error_line(id, &failure.into()),
        };
    }
}

/// The core takes no more requests.
pub(super) fn ending() -> Failure {
    Failure {
        code: ErrorCode::DaemonUnreachable,
        message: "the daemon is ending".into(),
        hint: Some("try again: pychatctl starts a new one".into()),
        sent: None,
    }
}

/// The same list with half its length.
fn smaller(request: &Request) -> Option<Request> {
    match request {
        Request::Inbox(params) if params.limit > 1 => {
            Some(Request::Inbox(InboxParams { limit: params.limit / 2, ..params.clone() }))
        }
        Request::History(params) if params.limit > 1 => {
            Some(Request::History(HistoryParams { limit: params.limit / 2, ..params.clone() }))
        }
        Request::Conversations(params) if params.limit > 1 => {
            let limit = params.limit / 2;
            Some(Request::Conversations(ConversationsParams { limit, ..params.clone() }))
        }
        Request::Search(params) if params.limit > 1 => {
            Some(Request::Search(SearchParams { limit: params.limit / 2, ..params.clone() }))
        }
        Request::Inbox(_)
        | Request::History(_)
        | Request::Conversations(_)
        | Request::Search(_)
        | Request::Hello(_)
        | Request::Status {}
        | Request::Connect(_)
        | Request::Disconnect {}
        | Request::Users(_)
        | Request::Send(_)
        | Request::MarkRead { .. }
        | Request::Unread {}
        | Request::Trace { .. }
        | Request::Cancel { .. }
        | Request::Verify(_)
        | Request::Trust { .. }
        | Request::Contacts {}
        | Request::Remove(_)
        | Request::MarkReader(_)
        | Request::Readers {}
        | Request::RemoveReader { .. }
        | Request::Names(_)
        | Request::Diagnose {}
        | Request::Subscribe(_)
        | Request::Shutdown {} => None,
    }
}

fn too_long() -> RpcError {
    RpcError::from(Failure {
        code: ErrorCode::LimitReached,
        message: "the answer is longer than a line may be (1 MiB)".into(),
        hint: None,
        sent: None,
    })
}
