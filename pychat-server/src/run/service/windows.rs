//! The server as a Windows service: what the manager of services is told, and what it asks for. Outside of a
//! service nothing happens.

use crate::run::Failure;
use std::{ffi::OsString, io, sync::OnceLock, time::Duration};
use tokio::sync::Notify;
use tracing::{info, warn};
use windows_service::{
    define_windows_service,
    service::{
        ServiceAccess, ServiceControl, ServiceControlAccept, ServiceErrorControl, ServiceExitCode,
        ServiceInfo, ServiceStartType, ServiceState, ServiceStatus, ServiceType,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
    service_manager::{ServiceManager, ServiceManagerAccess},
};

/// What the service is called.
pub const SERVICE_NAME: &str = "pychat-server";

/// An account that has a home of its own, and no power over the machine.
const ACCOUNT: &str = r"NT AUTHORITY\LocalService";

/// How long the manager waits for the next state: opening a large store takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// Absent in a console.
static SERVICE: OnceLock<Service> = OnceLock::new();

/// What the service does, which the system calls without a word.
static SERVE: OnceLock<fn() -> u8> = OnceLock::new();

struct Service {
    status: ServiceStatusHandle,
    /// One permit, once the manager wants an end.
    stop: Notify,
}

/// Whether this process is a service.
#[must_use]
pub fn is_service() -> bool {
    SERVE.get().is_some()
}

/// Becomes the service: `serve` is called once the manager wants it, and returns its exit code.
///
/// # Errors
/// The manager of services has not started this process.
pub fn become_service(serve: fn() -> u8) -> Result<(), Failure> {
    SERVE.get_or_init(|| serve);
    service_dispatcher::start(SERVICE_NAME, service_main)
        .map_err(failed("becoming a service, which is for the manager of services alone"))
}

/// Registers the service, to be started with `words` and with the system.
///
/// # Errors
/// It is there, or we may not.
pub fn install(words: Vec<OsString>) -> Result<(), Failure> {
    let doing = "registering the service, for which one has to be an administrator";
    let install = || {
        let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
        let manager = ServiceManager::local_computer(None::<&str>, access)?;
        let executable_path = std::env::current_exe().map_err(windows_service::Error::Winapi)?;
        let service = ServiceInfo {
            name: SERVICE_NAME.into(),
            display_name: "PyChat server".into(),
            service_type: ServiceType::OWN_PROCESS,
            start_type: ServiceStartType::AutoStart,
            error_control: ServiceErrorControl::Normal,
            executable_path,
            launch_arguments: words,
            dependencies: Vec::new(),
            account_name: Some(ACCOUNT.into()),
            account_password: None,
        };
        manager.create_service(&service, ServiceAccess::QUERY_STATUS).map(drop)
    };
    install().map_err(failed(doing))
}

/// Takes the service away; it ends first.
///
/// # Errors
/// There is none, or we may not.
pub fn remove() -> Result<(), Failure> {
    let doing = "removing the service, for which one has to be an administrator";
    let remove = || {
        let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?;
        let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
        let service = manager.open_service(SERVICE_NAME, access)?;
        if service.query_status()?.current_state != ServiceState::Stopped {
            service.stop()?;
        }
        // It goes once it has ended.
        service.delete()
    };
    remove().map_err(failed(doing))
}

define_windows_service!(service_main, run_service);

fn run_service(_words: Vec<OsString>) {
    let Some(serve) = SERVE.get() else { return };
    let Ok(status) = service_control_handler::register(SERVICE_NAME, control) else { return };
    SERVICE.get_or_init(|| Service { status, stop: Notify::new() });
    tell(ServiceState::StartPending, 0);
    let code = serve();
    tell(ServiceState::Stopped, code);
}

fn control(asked: ServiceControl) -> ServiceControlHandlerResult {
    match asked {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            if let Some(service) = SERVICE.get() {
                service.stop.notify_one();
            }
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        // What else there is, and will be, is not for us.
        _ => ServiceControlHandlerResult::NotImplemented,
    }
}

fn tell(current_state: ServiceState, code: u8) {
    let Some(service) = SERVICE.get() else { return };
    let running = current_state == ServiceState::Running;
    let ending = current_state == ServiceState::Stopped;
    let told = service.status.set_service_status(ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state,
        controls_accepted: if running {
            ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN
        } else {
            ServiceControlAccept::empty()
        },
        exit_code: match code {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code.into()),
        },
        checkpoint: 0,
        wait_hint: if running || ending { Duration::ZERO } else { PATIENCE },
        process_id: None,
    });
    if let Err(error) = told {
        warn!(%error, "the manager of services was not told");
    }
}

/// Serving has begun.
pub(in crate::run) fn ready(status: &str) {
    if SERVICE.get().is_some() {
        // Nobody sees what is printed.
        info!("{status}");
        tell(ServiceState::Running, 0);
    }
}

/// Serving ends.
pub(in crate::run) fn stopping() {
    tell(ServiceState::StopPending, 0);
}

/// Resolves once, when the manager of services wants the server to stop.
pub(in crate::run) async fn asked_to_stop() {
    match SERVICE.get() {
        Some(service) => service.stop.notified().await,
        None => std::future::pending().await,
    }
}

/// The manager there wants no signs of life.
pub(in crate::run) const fn alive() {}

/// Never.
pub(in crate::run) const fn alive_within() -> Option<Duration> {
    None
}

fn failed(doing: &'static str) -> impl Fn(windows_service::Error) -> Failure {
    move |error| {
        let source = match error {
            windows_service::Error::Winapi(source) => source,
            other => io::Error::other(other),
        };
        Failure::System { doing, source }
    }
}
