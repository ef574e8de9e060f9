// The client over TLS, against the server that comes with OpenSSL.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/kube/kube_client.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    char folder[] = "/tmp/xpu-tls-XXXXXX";
    folder_ = mkdtemp(folder);
    std::ofstream(folder_ + "/version") << R"({"gitVersion": "v1"})";
    MakeAuthority("ca");
    MakeAuthority("stranger");
    MakeCertificate("server", "ca", "IP:127.0.0.1");
    MakeCertificate("client", "ca", "DNS:client");
  }
  ~TlsTest() override {
    if (server_ > 0) {
      kill(server_, SIGKILL);
      waitpid(server_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  void Openssl(const std::string& arguments) {
    ASSERT_EQ(std::system(absl::StrCat("cd ", folder_, " && openssl ", arguments, " >> log 2>&1").c_str()), 0)
        << arguments;
  }
  void MakeAuthority(const std::string& name) {
    Openssl(absl::StrCat("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=",
                         name, " -keyout ", name, ".key -out ", name, ".pem"));
  }
  void MakeCertificate(const std::string& name, const std::string& authority,
                       const std::string& alternative) {
    std::ofstream(Path(name + ".ext")) << "subjectAltName=" << alternative << "\n";
    Openssl(absl::StrCat("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=", name,
                         " -keyout ", name, ".key -out ", name, ".csr"));
    Openssl(absl::StrCat("x509 -req -in ", name, ".csr -CA ", authority, ".pem -CAkey ", authority,
                         ".key -CAcreateserial -days 2 -extfile ", name, ".ext -out ", name, ".pem"));
  }

  // Serves the folder's files on a free port and says which.
  void Serve(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"openssl",    "s_server", "-accept",    "127.0.0.1:0", "-cert",
                                      "server.pem", "-key",     "server.key", "-WWW"};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int output[2];
    ASSERT_EQ(pipe2(output, O_CLOEXEC), 0);
    server_ = fork();
    if (server_ == 0) {
      if (chdir(folder_.c_str()) != 0) _exit(1);
      dup2(output[1], STDOUT_FILENO);
      // What it says of the refusals that are wanted here.
      dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
      execvp(argv[0], argv.data());
      _exit(1);
    }
    close(output[1]);
    FILE* lines = fdopen(output[0], "r");
    char line[256];
    while (port_.empty() && fgets(line, sizeof(line), lines) != nullptr) {
      // "ACCEPT 127.0.0.1:41234"
      const std::string text = line;
      if (text.rfind("ACCEPT ", 0) == 0)
        port_ = text.substr(text.rfind(':') + 1, text.find('\n') - text.rfind(':') - 1);
    }
    output_ = lines;
    ASSERT_NE(port_, "");
  }

  absl::Status Ask(const std::string& host, const std::string& ca, const std::string& client = "") {
    KubeClientOptions options;
    options.server = absl::StrCat("https://", host, ":", port_);
    options.ca = Path(ca);
    if (!client.empty()) {
      options.certificate = Path(client + ".pem");
      options.key = Path(client + ".key");
    }
    return KubeClient::Make(options).value()->GetPath("/version").status();
  }

  std::string folder_;
  std::string port_;
  pid_t server_ = 0;
  FILE* output_ = nullptr;
};

TEST_F(TlsTest, TrustsOnlyTheAuthorityAndTheNameThatItWasTold) {
  Serve();
  const absl::Status good = Ask("127.0.0.1", "ca.pem");
  EXPECT_TRUE(good.ok()) << good;
  EXPECT_TRUE(absl::IsUnavailable(Ask("127.0.0.1", "stranger.pem")));
  EXPECT_TRUE(absl::IsUnavailable(Ask("localhost", "ca.pem"))) << "the certificate is not for that name";
  EXPECT_TRUE(absl::IsUnavailable(Ask("127.0.0.1", "no-such-file.pem")));
  fclose(output_);
}

TEST_F(TlsTest, ShowsItsCertificate) {
  Serve({"-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"});
  const absl::Status good = Ask("127.0.0.1", "ca.pem", "client");
  EXPECT_TRUE(good.ok()) << good;
  EXPECT_FALSE(Ask("127.0.0.1", "ca.pem").ok());
  fclose(output_);
}

}  // namespace
}  // namespace xpu
