import java.io.ByteArrayInputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.*;

/** What programs built on AWS's SDK for Java 2 do, with its defaults. Arguments: endpoint, checksums to ask for. Keys come from the environment. */
public class S3Program {
    static void same(Object got, Object want, String what) {
        if (!got.equals(want)) throw new AssertionError(what + ": " + got + ", want " + want);
    }

    static void same(byte[] got, byte[] want, String what) {
        if (!Arrays.equals(got, want)) throw new AssertionError(what + ": " + got.length + " bytes, want " + want.length);
    }

    public static void main(String[] args) {
        try {
            all(args);
        } catch (Throwable e) {
            for (Throwable t = e; t != null; t = t.getCause()) System.err.println(t + " at " + Arrays.stream(t.getStackTrace()).filter(f -> f.getClassName().equals("S3Program")).toList());
            System.exit(1);
        }
    }

    static void all(String[] args) throws Exception {
        URI endpoint = URI.create(args[0]);
        String b = "java-bucket";
        byte[] big = new byte[17 << 20];
        new Random(1).nextBytes(big);
        try (S3Client s3 = S3Client.builder().endpointOverride(endpoint).region(Region.US_EAST_1).forcePathStyle(true)
                .httpClientBuilder(UrlConnectionHttpClient.builder()).build()) {
            s3.createBucket(r -> r.bucket(b));
            s3.headBucket(r -> r.bucket(b));
            same(s3.listBuckets().buckets().get(0).name(), b, "buckets");
            // Small, large and from a stream: over plain HTTP the chunks are signed.
            s3.putObject(r -> r.bucket(b).key("small/é +").contentType("text/x").metadata(Map.of("who", "me")), RequestBody.fromString("hello"));
            s3.putObject(r -> r.bucket(b).key("empty"), RequestBody.empty());
            s3.putObject(r -> r.bucket(b).key("large"), RequestBody.fromBytes(big));
            s3.putObject(r -> r.bucket(b).key("streamed"), RequestBody.fromInputStream(new ByteArrayInputStream(big), big.length));
            ResponseBytes<GetObjectResponse> small = s3.getObjectAsBytes(r -> r.bucket(b).key("small/é +"));
            same(small.asUtf8String(), "hello", "small");
            same(small.response().contentType(), "text/x", "type");
            same(small.response().metadata(), Map.of("who", "me"), "metadata");
            for (String key : new String[] {"large", "streamed"}) {
                same(s3.getObjectAsBytes(r -> r.bucket(b).key(key).checksumMode(ChecksumMode.ENABLED)).asByteArray(), big, key);
                if (s3.headObject(r -> r.bucket(b).key(key)).contentEncoding() != null) throw new AssertionError("the framing stays as a coding");
            }
            same(s3.getObjectAsBytes(r -> r.bucket(b).key("large").range("bytes=5-9")).asByteArray(), Arrays.copyOfRange(big, 5, 10), "range");
            for (String name : Arrays.copyOfRange(args, 1, args.length)) {
                ChecksumAlgorithm a = ChecksumAlgorithm.fromValue(name);
                s3.putObject(r -> r.bucket(b).key("sums/" + a).checksumAlgorithm(a), RequestBody.fromBytes(big));
                same(s3.getObjectAsBytes(r -> r.bucket(b).key("sums/" + a).checksumMode(ChecksumMode.ENABLED)).asByteArray(), big, a.toString());
            }
            // In parts.
            String id = s3.createMultipartUpload(r -> r.bucket(b).key("parts")).uploadId();
            List<CompletedPart> parts = new ArrayList<>();
            int size = 6 << 20;
            for (int at = 0, n = 1; at < big.length; at += size, n++) {
                int number = n, length = Math.min(size, big.length - at);
                UploadPartResponse part = s3.uploadPart(r -> r.bucket(b).key("parts").uploadId(id).partNumber(number),
                        RequestBody.fromByteBuffer(ByteBuffer.wrap(big, at, length).slice()));
                parts.add(CompletedPart.builder().partNumber(number).eTag(part.eTag()).build());
            }
            s3.completeMultipartUpload(r -> r.bucket(b).key("parts").uploadId(id).multipartUpload(m -> m.parts(parts)));
            same(s3.getObjectAsBytes(r -> r.bucket(b).key("parts")).asByteArray(), big, "parts");
            s3.copyObject(r -> r.sourceBucket(b).sourceKey("parts").destinationBucket(b).destinationKey("copied"));
            same(s3.headObject(r -> r.bucket(b).key("copied")).contentLength(), (long) big.length, "copied");
            try {
                s3.getObject(r -> r.bucket(b).key("none"));
                throw new AssertionError("what isn't there is found");
            } catch (NoSuchKeyException e) {
                same(e.statusCode(), 404, "status");
            }
            for (int i = 0; i < 25; i++) {
                int n = i;
                s3.putObject(r -> r.bucket(b).key("p/" + n), RequestBody.fromString("" + n));
            }
            same(s3.listObjectsV2Paginator(r -> r.bucket(b).prefix("p/").maxKeys(10)).contents().stream().count(), 25L, "list");
        }
        try (S3AsyncClient s3 = S3AsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1).forcePathStyle(true).multipartEnabled(true)
                .multipartConfiguration(m -> m.minimumPartSizeInBytes(5L << 20).thresholdInBytes(5L << 20)).build()) {
            s3.putObject(r -> r.bucket(b).key("async"), AsyncRequestBody.fromBytes(big)).get();
            try {
                same(s3.getObject(r -> r.bucket(b).key("async"), AsyncResponseTransformer.toBytes()).get().asByteArray(), big, "async");
            } catch (UnsupportedOperationException e) {
                // Those of early 2024 get nothing by parts.
            }
            List<ObjectIdentifier> all = new ArrayList<>();
            s3.listObjectsV2Paginator(r -> r.bucket(b)).contents().subscribe(o -> all.add(ObjectIdentifier.builder().key(o.key()).build())).get();
            same(s3.deleteObjects(r -> r.bucket(b).delete(d -> d.objects(all))).get().deleted().size(), all.size(), "deleted");
            s3.deleteBucket(r -> r.bucket(b)).get();
        }
        System.out.println("java: whole");
    }
}
