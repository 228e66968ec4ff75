// AWS's SDK for Rust with its defaults: s3-program ENDPOINT KEY SECRET DIRECTORY.
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{retry::RetryConfig, BehaviorVersion, Config, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use aws_sdk_s3::Client;
use std::error::Error;
use std::time::Duration;

const BUCKET: &str = "rust";
const KEY: &str = "a ü+%/x";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .force_path_style(true)
        .endpoint_url(&args[1])
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::from_keys(&args[2], &args[3], None))
        .build();
    let c = Client::from_conf(config);
    c.create_bucket().bucket(BUCKET).send().await?;
    objects(&c).await?;
    files(&c, &format!("{}/nine", args[4])).await?;
    let url = c.get_object().bucket(BUCKET).key(KEY).presigned(PresigningConfig::expires_in(Duration::from_secs(600))?).await?;
    println!("{}", url.uri());
    println!("rust: whole");
    Ok(())
}

async fn objects(c: &Client) -> Result<(), Box<dyn Error>> {
    // What is beyond ASCII in metadata can be read: bytes that are no UTF-8 would fail
    // the whole answer.
    c.put_object().bucket(BUCKET).key(KEY).body(ByteStream::from_static(b"hello")).metadata("name", "Müller").send().await?;
    let got = c.get_object().bucket(BUCKET).key(KEY).send().await?;
    assert_eq!(got.metadata().unwrap()["name"], "=?UTF-8?B?TcO8bGxlcg==?=");
    assert_eq!(got.body.collect().await?.into_bytes().as_ref(), b"hello");

    let refused = c.put_object().bucket(BUCKET).key(KEY).if_none_match("*").body(ByteStream::from_static(b"x")).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("PreconditionFailed"));
    let missing = c.get_object().bucket(BUCKET).key("missing").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());

    for i in 0..5 {
        c.put_object().bucket(BUCKET).key(format!("n/{i}")).body(ByteStream::from_static(b"")).send().await?;
    }
    let mut pages = c.list_objects_v2().bucket(BUCKET).prefix("n/").max_keys(2).into_paginator().send();
    let mut doomed = vec![];
    while let Some(page) = pages.next().await {
        for o in page?.contents() {
            doomed.push(ObjectIdentifier::builder().key(o.key().unwrap()).build()?);
        }
    }
    assert_eq!(doomed.len(), 5);
    let gone = c.delete_objects().bucket(BUCKET).delete(Delete::builder().set_objects(Some(doomed)).build()?).send().await?;
    assert_eq!((gone.deleted().len(), gone.errors().len()), (5, 0));
    Ok(())
}

// files sends a file whole, in chunks with a trailer, and in parts.
async fn files(c: &Client, path: &str) -> Result<(), Box<dyn Error>> {
    let data: Vec<u8> = (0..9 << 20).map(|i: u32| (i >> 7) as u8).collect();
    std::fs::write(path, &data)?;
    for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Sha256] {
        let body = ByteStream::from_path(path).await?;
        c.put_object().bucket(BUCKET).key("file").checksum_algorithm(algorithm).body(body).send().await?;
        let got = c.get_object().bucket(BUCKET).key("file").checksum_mode(ChecksumMode::Enabled).send().await?;
        assert_eq!(got.body.collect().await?.to_vec(), data);
    }
    let upload = c.create_multipart_upload().bucket(BUCKET).key("parts").checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject).send().await?;
    let id = upload.upload_id().unwrap();
    let mut parts = vec![];
    for n in 1..=2 {
        let body = ByteStream::from_path(path).await?;
        let p = c.upload_part().bucket(BUCKET).key("parts").upload_id(id).part_number(n).checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).body(body).send().await?;
        parts.push(CompletedPart::builder().part_number(n).e_tag(p.e_tag().unwrap()).checksum_crc64_nvme(p.checksum_crc64_nvme().unwrap()).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    c.complete_multipart_upload().bucket(BUCKET).key("parts").upload_id(id).checksum_type(ChecksumType::FullObject).multipart_upload(parts).if_none_match("*").send().await?;
    let got = c.get_object().bucket(BUCKET).key("parts").checksum_mode(ChecksumMode::Enabled).send().await?;
    assert_eq!(got.body.collect().await?.to_vec(), [data.clone(), data].concat());
    Ok(())
}
