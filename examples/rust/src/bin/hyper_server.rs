//! An HTTP server on hyper and tokio, in WasmEdge's flavour: what ordinary asynchronous Rust looks like here.
//!
//!   wasmetal run --net user --publish 8080:8080 hyper_server.wasm
//!   curl -d 'some words' http://127.0.0.1:8080/upper
//!
//! `GET /` greets, `POST /upper` sends the body back in capitals.

use hyper::service::{make_service_fn, service_fn};
use hyper::{body, Body, Method, Request, Response, Server, StatusCode};
use std::convert::Infallible;
use std::net::SocketAddr;

async fn answer(request: Request<Body>) -> Result<Response<Body>, hyper::Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => Ok(Response::new(Body::from("Hello from hyper on no operating system.\n"))),
        (&Method::POST, "/upper") => {
            let bytes = body::to_bytes(request.into_body()).await?;
            Ok(Response::new(Body::from(bytes.to_ascii_uppercase())))
        }
        _ => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8080);
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(answer)) });
    let server = match Server::try_bind(&address) {
        Ok(server) => server.serve(service),
        Err(error) => {
            eprintln!("cannot listen on port {port}: {error}");
            std::process::exit(1);
        }
    };
    eprintln!("listening on port {port}");
    if let Err(error) = server.await {
        eprintln!("the server has ended: {error}");
        std::process::exit(1);
    }
}
