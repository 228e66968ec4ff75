import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Random;
import net.schmizz.sshj.SSHClient;
import net.schmizz.sshj.connection.channel.direct.Session;
import net.schmizz.sshj.sftp.FileAttributes;
import net.schmizz.sshj.sftp.OpenMode;
import net.schmizz.sshj.sftp.RemoteFile;
import net.schmizz.sshj.sftp.RenameFlags;
import net.schmizz.sshj.sftp.Response;
import net.schmizz.sshj.sftp.SFTPClient;
import net.schmizz.sshj.sftp.SFTPException;
import net.schmizz.sshj.transport.verification.PromiscuousVerifier;

/** What tools built on sshj do. Arguments: port, user, key, a directory of ours. */
public class SSHJClient {
    public static void main(String[] args) throws Exception {
        SSHClient ssh = new SSHClient();
        ssh.addHostKeyVerifier(new PromiscuousVerifier());
        ssh.connect("127.0.0.1", Integer.parseInt(args[0]));
        ssh.authPublickey(args[1], args[2]);
        ssh.useCompression();
        byte[] data = new byte[5 << 20];
        new Random(7).nextBytes(data);
        Path local = Path.of(args[3], "sshj");
        Path back = Path.of(args[3], "sshj.back");
        Files.write(local, data);
        try (SFTPClient c = ssh.newSFTPClient()) {
            c.mkdirs("/s/deep/er");
            c.put(local.toString(), "/s/file"); // sets mode and times afterwards
            c.get("/s/file", back.toString());
            check("get", Arrays.equals(data, Files.readAllBytes(back)));
            check("times are kept", Math.abs(c.mtime("/s/file") - local.toFile().lastModified() / 1000) <= 1);
            c.rename("/s/file", "/s/moved", EnumSet.of(RenameFlags.OVERWRITE));
            check("moved", c.statExistence("/s/file") == null && c.size("/s/moved") == data.length);
            c.put(local.toString(), "/s/other");
            refused("rename onto what is there", Response.StatusCode.FAILURE, () -> c.rename("/s/other", "/s/moved"));
            try (RemoteFile f = c.open("/s/moved", EnumSet.of(OpenMode.READ, OpenMode.WRITE))) {
                f.write(1000, new byte[] {1, 2, 3}, 0, 3);
                byte[] got = new byte[3];
                check("read of what was written", f.read(1000, got, 0, 3) == 3 && got[2] == 3);
                try (RemoteFile.ReadAheadRemoteFileInputStream in = f.new ReadAheadRemoteFileInputStream(16, 2 << 20)) {
                    check("read ahead", Arrays.equals(in.readAllBytes(), Arrays.copyOfRange(data, 2 << 20, data.length)));
                }
                f.setLength(2000);
            }
            check("cut", c.size("/s/moved") == 2000);
            c.setattr("/s/moved", new FileAttributes.Builder().withPermissions(0440).withAtimeMtime(1000, 2000).build());
            FileAttributes a = c.stat("/s/moved");
            check("attributes", a.getMtime() == 2000 && (a.getMode().getPermissionsMask() & 0777) == 0440);
            c.symlink("/s/moved", "/s/link"); // sshj sends its arguments in the draft's order, servers since OpenSSH take the other
            check("link", c.readlink("/s/link").equals("/s/moved") && c.canonicalize("/s/../s/deep").equals("/s/deep"));
            check("listing", c.ls("/s").size() == 4);
            refused("stat of nothing", Response.StatusCode.NO_SUCH_FILE, () -> c.stat("/s/nothing"));
            refused("rmdir of what isn't empty", Response.StatusCode.FAILURE, () -> c.rmdir("/s/deep"));
            c.rm("/s/link");
        }
        ssh.newSCPFileTransfer().upload(local.toString(), "/s/by-scp");
        Files.delete(back);
        ssh.newSCPFileTransfer().download("/s/by-scp", back.toString());
        check("scp", Arrays.equals(data, Files.readAllBytes(back)));
        try (Session session = ssh.startSession()) {
            Session.Command command = session.exec("md5sum /s/by-scp");
            String out = new String(command.getInputStream().readAllBytes());
            command.join();
            check("exec: " + out, command.getExitStatus() == 0 && out.endsWith("  /s/by-scp\n"));
        }
        ssh.disconnect();
    }

    interface Call { void run() throws Exception; }

    static void refused(String what, Response.StatusCode code, Call call) throws Exception {
        try {
            call.run();
            check(what + " succeeded", false);
        } catch (SFTPException e) {
            check(what + ": " + e.getStatusCode(), e.getStatusCode() == code);
        }
    }

    static void check(String what, boolean ok) {
        if (!ok) {
            System.err.println("sshj: " + what);
            System.exit(1);
        }
    }
}
