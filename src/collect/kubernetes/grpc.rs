//! One call of a gRPC service over a Unix socket: an HTTP/2 request with one message each way.

use std::path::Path;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::UnixStream;

/// Bytes of an answer; the kubelet itself gives no more.
const MOST: usize = 16 << 20;
/// What stands before a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// Asks, and takes the answer. An error is one line.
pub(super) async fn call<A: Message + Default>(
    socket: &Path,
    method: &str,
    question: &impl Message,
) -> Result<A, String> {
    let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
    let (requests, connection) = h2::client::handshake(stream).await.map_err(|error| error.to_string())?;
    let exchange = exchange(requests, method, question);
    tokio::pin!(exchange);
    let ended = tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        ended = connection => ended,
    };
    // It may hang up right after its answer, which is whole then; what was not answered is an error.
    ended.map_err(|error| error.to_string())?;
    exchange.await
}

async fn exchange<A: Message + Default>(
    requests: SendRequest<Bytes>,
    method: &str,
    question: &impl Message,
) -> Result<A, String> {
    let request = Request::post(format!("http://localhost{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|error| error.to_string())?;
    let mut framed = BytesMut::with_capacity(HEAD + question.encoded_len());
    framed.put_u8(0);
    framed.put_u32(question.encoded_len() as u32);
    question.encode(&mut framed).map_err(|error| error.to_string())?;
    let mut requests = requests.ready().await.map_err(|error| error.to_string())?;
    let (response, mut body) = requests.send_request(request, false).map_err(|error| error.to_string())?;
    body.send_data(framed.freeze(), true).map_err(|error| error.to_string())?;
    let response = response.await.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("no gRPC service: it answers {}", response.status()));
    }
    // Who has no answer says so at once.
    check(response.headers())?;
    let mut answer = response.into_body();
    let bytes = read(&mut answer).await?;
    let trailers = answer.trailers().await.map_err(|error| error.to_string())?;
    check(&trailers.unwrap_or_default())?;
    let message = match bytes.split_first_chunk::<HEAD>() {
        Some(([0, length @ ..], message)) if u32::from_be_bytes(*length) as usize == message.len() => message,
        _ => return Err("the answer is not one whole message".to_owned()),
    };
    A::decode(message).map_err(|error| error.to_string())
}

async fn read(answer: &mut RecvStream) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(some) = answer.data().await {
        let some = some.map_err(|error| error.to_string())?;
        if bytes.len() + some.len() > MOST {
            return Err(format!("an answer of more than {} MiB", MOST >> 20));
        }
        bytes.extend_from_slice(&some);
        answer.flow_control().release_capacity(some.len()).map_err(|error| error.to_string())?;
    }
    Ok(bytes)
}

/// What a service says of how it went, where it is said.
fn check(headers: &HeaderMap) -> Result<(), String> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match text("grpc-status") {
        Some(status) if status != "0" => {
            let message = text("grpc-message").unwrap_or_default();
            Err(format!("gRPC status {status} {message}").trim_end().to_owned())
        }
        _ => Ok(()),
    }
}
