import java.net.URI;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.*;
import org.apache.hadoop.mapreduce.*;
import org.apache.hadoop.mapreduce.lib.output.*;
import org.apache.hadoop.mapreduce.task.*;

/** Hadoop's S3A: its tree of directories, exclusive creation, and the magic committer. Arguments: endpoint, a directory of ours. */
public class S3AProgram {
    static FileSystem fs;
    static final byte[] big = new byte[23 << 20];

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void write(Path p, byte[] data, int n) throws Exception {
        try (FSDataOutputStream o = fs.create(p, true)) {
            o.write(data, 0, n);
        }
    }

    public static void main(String[] args) throws Exception {
        Configuration c = new Configuration();
        c.set("fs.s3a.endpoint", args[0]);
        c.set("fs.s3a.endpoint.region", "us-east-1");
        c.set("fs.s3a.path.style.access", "true");
        c.set("fs.s3a.access.key", System.getenv("AWS_ACCESS_KEY_ID"));
        c.set("fs.s3a.secret.key", System.getenv("AWS_SECRET_ACCESS_KEY"));
        c.set("fs.s3a.multipart.size", "5M");
        c.set("fs.s3a.multipart.threshold", "5M");
        c.set("fs.s3a.fast.upload.buffer", "bytebuffer");
        c.set("fs.s3a.committer.name", "magic");
        c.set("mapreduce.outputcommitter.factory.scheme.s3a", "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory");
        c.set("hadoop.tmp.dir", args[1]);
        fs = FileSystem.newInstance(new URI("s3a://hadoop/"), c);
        new Random(1).nextBytes(big);
        tree();
        exclusive();
        committer(c);
        check(fs.listStatus(new Path("/")).length == 0, "something is left");
        System.out.println("s3a: whole");
    }

    static void tree() throws Exception {
        Path d = new Path("/d"), odd = new Path(d, "big +\u00fc %25");
        fs.mkdirs(new Path(d, "empty/sub"));
        write(odd, big, big.length);
        byte[] back = new byte[big.length];
        try (FSDataInputStream in = fs.open(odd)) {
            in.readFully(back);
            check(Arrays.equals(big, back), "data");
            FileRange r = FileRange.createFileRange(9_000_000, 5000);
            in.readVectored(List.of(FileRange.createFileRange(100, 1000), r), ByteBuffer::allocate);
            check(r.getData().get().get(0) == big[9_000_000], "a vector's second range");
        }
        for (int i = 0; i < 60; i++) write(new Path(d, "many/f" + i), big, 3);
        check(fs.rename(d, new Path("/e")) && !fs.exists(d), "rename");
        check(fs.getFileStatus(new Path("/e/empty/sub")).isDirectory(), "an empty directory is lost");
        int n = 0;
        for (RemoteIterator<LocatedFileStatus> all = fs.listFiles(new Path("/e"), true); all.hasNext(); all.next()) n++;
        check(n == 61, n + " files");
        fs.delete(new Path("/e"), true);
    }

    static FSDataOutputStream once(Path p) throws Exception {
        FSDataOutputStreamBuilder<?, ?> b = fs.createFile(p);
        b.overwrite(false);
        b.must("fs.option.create.conditional.overwrite", true);
        return (FSDataOutputStream) b.build();
    }

    static void exclusive() throws Exception {
        Path p = new Path("/once");
        FSDataOutputStream first = once(p), second = once(p);
        first.writeBytes("1");
        second.writeBytes("22");
        first.close();
        boolean refused = false;
        try {
            second.close();
        } catch (Exception e) {
            refused = true;
        }
        check(refused && fs.getFileStatus(p).getLen() == 1, "created twice");
        fs.delete(p, false);
    }

    /** Tasks write by uploads that the job completes; what a task aborts never shows. */
    static void committer(Configuration c) throws Exception {
        Path out = new Path("s3a://hadoop/out");
        Job job = Job.getInstance(c);
        job.getConfiguration().set("mapreduce.job.id", "job_2026_0001");
        job.getConfiguration().setInt("mapreduce.job.application.attempt.id", 1);
        FileOutputFormat.setOutputPath(job, out);
        JobID id = new JobID("2026", 1);
        PathOutputCommitter ofJob = null;
        for (int t = 0; t < 3; t++) {
            Configuration k = new Configuration(job.getConfiguration());
            TaskAttemptID attempt = new TaskAttemptID(new TaskID(id, TaskType.REDUCE, t), 0);
            k.set("mapreduce.task.attempt.id", attempt.toString());
            TaskAttemptContext task = new TaskAttemptContextImpl(k, attempt);
            PathOutputCommitter m = PathOutputCommitterFactory.createCommitter(out, task);
            check(m.getClass().getSimpleName().equals("MagicS3GuardCommitter"), m.toString());
            if (ofJob == null) {
                ofJob = m;
                m.setupJob(new JobContextImpl(job.getConfiguration(), id));
            }
            m.setupTask(task);
            write(new Path(m.getWorkPath(), "part-" + t), big, 11 << 20);
            check(!fs.exists(new Path("/out/part-" + t)), "seen early");
            if (t < 2) m.commitTask(task);
            else m.abortTask(task);
        }
        ofJob.commitJob(new JobContextImpl(job.getConfiguration(), id));
        check(fs.exists(new Path("/out/_SUCCESS")) && fs.listStatus(new Path("/out")).length == 3, "the job's files");
        check(fs.getFileStatus(new Path("/out/part-1")).getLen() == 11 << 20, "a part");
        fs.delete(new Path("/out"), true);
    }
}
