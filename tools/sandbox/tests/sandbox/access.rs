//! Which requests reach the sandbox at all.

use std::{fs, path::Path};

use reqwest::{Client, Method, RequestBuilder};
use sandbox::{Config, SandboxServer, serve_on_free_port};

async fn sandbox() -> SandboxServer {
    serve_on_free_port(|_| Config::documented(String::new())).await.unwrap()
}

/// The paths of all routes, as the sources name them.
fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(path).unwrap();
            let routes = source.split(".route(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            paths.extend(routes.map(|rest| rest.split('"').next().unwrap().replace(['{', '}'], "")));
        }
    }
    paths
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn every_route_refuses_a_foreign_name_or_page() {
    let (sandbox, http, paths) = (sandbox().await, Client::new(), paths());
    let url = &sandbox.url;
    assert!(paths.len() > 40 && paths.iter().any(|path| path == "/sandbox/stream"), "{paths:?}");
    for path in paths.iter().map(String::as_str).chain(["/no-such-path"]) {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            for header in [("Host", "evil:8090"), ("Sec-Fetch-Site", "same-site"), ("Origin", "http://evil:8090")] {
                let request = http.request(method.clone(), format!("{url}{path}")).header(header.0, header.1);
                assert_eq!(status(request).await, 403, "{method} {path} with {header:?}");
            }
        }
    }
}

#[tokio::test]
async fn own_page_and_other_programs_are_answered() {
    let (sandbox, http) = (sandbox().await, Client::new());
    let url = &sandbox.url;
    assert_eq!(status(http.get(format!("{url}/sandbox/state"))).await, 200);
    let from_page = |site: &str| http.post(format!("{url}/sandbox/reset")).header("Sec-Fetch-Site", site);
    assert_eq!(status(from_page("same-origin").header("Origin", url)).await, 204);
    assert_eq!(status(from_page("cross-site")).await, 403);
    let localhost = url.replace("127.0.0.1", "localhost");
    assert_eq!(status(http.get(format!("{localhost}/"))).await, 200);
}

#[tokio::test]
async fn additional_allowed_host_is_answered() {
    let mut config = Config::documented(String::new());
    config.allowed_hosts.push("172.17.0.1".parse().unwrap());
    let sandbox = serve_on_free_port(|_| config).await.unwrap();
    let host = sandbox.url.replace("http://127.0.0.1", "172.17.0.1");
    let request = Client::new().get(format!("{}/sandbox/state", sandbox.url)).header("Host", host);
    assert_eq!(status(request).await, 200);
}
