// The client over TLS, against the server that comes with OpenSSL.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>
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
    if (keeper_.joinable()) keeper_.join();
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
    return KubeClient::Make(Endpoint(host, ca, client)).value()->GetPath("/version").status();
  }
  KubeEndpoint Endpoint(const std::string& host, const std::string& ca, const std::string& client = "") {
    KubeFlags flags;
    flags.server = absl::StrCat("https://", host, ":", port_);
    flags.ca = Path(ca);
    if (!client.empty()) {
      flags.certificate = Path(client + ".pem");
      flags.key = Path(client + ".key");
    }
    return EndpointFromFlags(flags).value();
  }

  void StopServer() {
    const pid_t server = std::exchange(server_, 0);
    kill(server, SIGTERM);
    waitpid(server, nullptr, 0);
    keeper_.join();
  }

  // nghttp2's server, which takes the descriptor of nobody: its port is one that was free a moment ago, and
  // its log tells that it listens.
  void ServeHttp2() {
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    ASSERT_EQ(bind(probe, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = std::to_string(ntohs(address.sin_port));
    close(probe);
    int log[2];
    ASSERT_EQ(pipe2(log, O_CLOEXEC), 0);
    server_ = fork();
    if (server_ == 0) {
      if (chdir(folder_.c_str()) != 0) _exit(1);
      dup2(log[1], STDOUT_FILENO);
      execlp("stdbuf", "stdbuf", "-oL", "nghttpd", "-v", "--address=127.0.0.1", "-d", folder_.c_str(),
             port_.c_str(), "server.key", "server.pem", nullptr);
      _exit(1);
    }
    close(log[1]);
    // "IPv4: listen 127.0.0.1:41234"
    FILE* lines = fdopen(log[0], "r");
    char line[256];
    bool listens = false;
    while (!listens && fgets(line, sizeof(line), lines) != nullptr)
      listens = strstr(line, "listen") != nullptr;
    ASSERT_TRUE(listens);
    keeper_ = std::thread([lines, path = Path("nghttpd.log")] {
      std::ofstream out(path);
      char more[256];
      while (fgets(more, sizeof(more), lines) != nullptr) out << more;
      fclose(lines);
    });
  }

  std::string folder_;
  std::string port_;
  pid_t server_ = 0;
  FILE* output_ = nullptr;
  // Writes a server's log down until it ends.
  std::thread keeper_;
};

TEST_F(TlsTest, ManyRequestsShareOneConnection) {
  ServeHttp2();
  const std::unique_ptr<KubeClient> client = KubeClient::Make(Endpoint("127.0.0.1", "ca.pem")).value();
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      const absl::Status status = client->GetPath("/version").status();
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& thread : threads) thread.join();
  StopServer();
  // "[id=1] [  0.312] recv HEADERS frame": the connection's number.
  std::ifstream log(Path("nghttpd.log"));
  std::set<std::string> connections;
  int requests = 0;
  for (std::string line; std::getline(log, line);) {
    if (line.rfind("[id=", 0) != 0) continue;
    connections.insert(line.substr(0, line.find(']')));
    if (line.find("recv HEADERS") != std::string::npos) ++requests;
  }
  EXPECT_EQ(requests, 16);
  EXPECT_EQ(connections.size(), 1u);
}

TEST_F(TlsTest, AServerMayHaveAnotherNameThanItsAddress) {
  MakeCertificate("server", "ca", "DNS:kubernetes");
  Serve();
  KubeEndpoint endpoint = Endpoint("127.0.0.1", "ca.pem");
  EXPECT_TRUE(absl::IsUnavailable(KubeClient::Make(endpoint).value()->GetPath("/version").status()));
  endpoint.tls_server_name = "kubernetes";
  const absl::Status good = KubeClient::Make(endpoint).value()->GetPath("/version").status();
  EXPECT_TRUE(good.ok()) << good;
  endpoint.tls_server_name = "elsewhere";
  EXPECT_TRUE(absl::IsUnavailable(KubeClient::Make(endpoint).value()->GetPath("/version").status()));
  fclose(output_);
}

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
