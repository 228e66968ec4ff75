import com.jcraft.jsch.ChannelExec;
import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import com.jcraft.jsch.SftpATTRS;
import com.jcraft.jsch.SftpException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/** What tools built on JSch do. Arguments: port, user, key. */
public class JSchClient {
    public static void main(String[] args) throws Exception {
        JSch jsch = new JSch();
        jsch.addIdentity(args[2]);
        Session session = jsch.getSession(args[1], "127.0.0.1", Integer.parseInt(args[0]));
        session.setConfig("StrictHostKeyChecking", "no");
        session.connect(20000);
        ChannelSftp c = (ChannelSftp) session.openChannel("sftp");
        c.connect(20000);
        byte[] data = new byte[3 << 20];
        new java.util.Random(7).nextBytes(data);
        c.mkdir("/j");
        c.cd("/j");
        c.put(new ByteArrayInputStream(data), "file.part");
        c.rename("file.part", "file");
        check("size", c.stat("file").getSize() == data.length);
        check("get", Arrays.equals(data, get(c, "file", 0)));
        check("resumed get", Arrays.equals(Arrays.copyOfRange(data, 1 << 20, data.length), get(c, "file", 1 << 20)));
        // A resumed upload, and one that appends.
        c.put(new ByteArrayInputStream(Arrays.copyOf(data, 1000)), "part");
        c.put(new ByteArrayInputStream(data, 0, 5000), "part", ChannelSftp.RESUME);
        check("resumed put", Arrays.equals(Arrays.copyOf(data, 5000), get(c, "part", 0)));
        c.put(new ByteArrayInputStream(data, 0, 10), "part", ChannelSftp.APPEND);
        check("appended put", c.stat("part").getSize() == 5010);
        // Preserve time, as every wrapper does.
        c.setMtime("part", 1000000000);
        c.chmod(0600, "part");
        SftpATTRS a = c.stat("part");
        check("attributes", a.getMTime() == 1000000000 && (a.getPermissions() & 0777) == 0600 && a.isReg());
        refused("rename over", ChannelSftp.SSH_FX_FAILURE, () -> c.rename("part", "file"), true);
        refused("mkdir again", ChannelSftp.SSH_FX_FAILURE, () -> c.mkdir("/j"), false);
        refused("stat of nothing", ChannelSftp.SSH_FX_NO_SUCH_FILE, () -> c.stat("nothing"), false);
        check("listing", c.ls("/j").size() == 3); // with "." and ".."
        c.rm("file");
        c.rmdir("/j");
        c.disconnect();

        ChannelExec exec = (ChannelExec) session.openChannel("exec");
        exec.setCommand("pwd");
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        exec.setOutputStream(out);
        exec.connect(20000);
        while (!exec.isClosed()) {
            Thread.sleep(10);
        }
        check("exec", out.toString().equals("/\n") && exec.getExitStatus() == 0);
        session.disconnect();
    }

    static byte[] get(ChannelSftp c, String name, long skip) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        c.get(name, out, null, ChannelSftp.RESUME, skip);
        return out.toByteArray();
    }

    interface Call { void run() throws SftpException; }

    /** JSch renames by posix-rename where it is offered, which replaces. */
    static void refused(String what, int code, Call call, boolean mayReplace) {
        try {
            call.run();
            check(what + " succeeded", mayReplace);
        } catch (SftpException e) {
            check(what + ": " + e, e.id == code);
        }
    }

    static void check(String what, boolean ok) {
        if (!ok) {
            System.err.println("JSch: " + what);
            System.exit(1);
        }
    }
}
