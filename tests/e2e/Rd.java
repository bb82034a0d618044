// SPDX-License-Identifier: Apache-2.0
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;

/** Rd FILE f|s: the MD5 of a file, read at once (Files.readAllBytes) or as a stream. */
class Rd {
  public static void main(String[] args) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("MD5");
    if (args[1].equals("f")) {
      digest.update(Files.readAllBytes(Path.of(args[0])));
    } else {
      try (InputStream in = Files.newInputStream(Path.of(args[0]))) {
        byte[] buffer = new byte[65536];
        for (int n; (n = in.read(buffer)) > 0; ) digest.update(buffer, 0, n);
      }
    }
    System.out.println(HexFormat.of().formatHex(digest.digest()));
  }
}
