#include "common/kube/credentials.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

class SetClock : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
};

class CredentialsTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text, int mode = 0600) {
    const std::string path = folder_.path() + "/" + name;
    EXPECT_TRUE(WriteFileAtomic(path, text, mode).ok());
    return path;
  }
  // A plugin that counts its runs and answers what the file "answer" says.
  KubeExecPlugin Plugin() {
    Write("answer", Answer(R"("token": "abc")"));
    return {.api_version = "client.authentication.k8s.io/v1",
            .command = {Write("plugin",
                              absl::StrCat("#!/bin/sh\necho run >> ", folder_.path(),
                                           "/runs\nprintf '%s' \"$KUBERNETES_EXEC_INFO\" > ", folder_.path(),
                                           "/info\nprintf '%s' \"$FLAVOUR $1\" > ", folder_.path(),
                                           "/told\ncat ", folder_.path(), "/answer\n"),
                              0700),
                        "login"},
            .environment = {{"FLAVOUR", "mild"}},
            .cluster = R"({"server":"https://x"})"};
  }
  static std::string Answer(const std::string& status) {
    return absl::StrCat(
        R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{)", status,
        "}}");
  }
  int Runs() {
    const absl::StatusOr<std::string> runs = ReadFile(folder_.path() + "/runs");
    return runs.ok() ? static_cast<int>(std::count(runs->begin(), runs->end(), '\n')) : 0;
  }

  TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  SetClock clock_;
};

TEST_F(CredentialsTest, FilesAreReadAnewAndWinOverText) {
  const std::string token = Write("token", "one\n");
  const auto credentials = MakeFileCredentials(
      {.text = {.token = "text"}, .token_file = token, .certificate_file = Write("cert", "C")});
  EXPECT_EQ(credentials->Get().value(), (KubeIdentity{.token = "one", .certificate = "C"}));
  Write("token", "two");
  EXPECT_EQ(credentials->Get()->token, "two");
  Write("token", " \n");
  EXPECT_TRUE(absl::IsUnauthenticated(credentials->Get().status()));
  std::filesystem::remove(token);
  const absl::Status gone = credentials->Get().status();
  EXPECT_TRUE(absl::IsUnauthenticated(gone));
  EXPECT_THAT(std::string(gone.message()), HasSubstr(token));
}

TEST_F(CredentialsTest, APluginIsToldWhatItNeedsAndItsAnswerIsKeptUntilItExpires) {
  KubeExecPlugin plugin = Plugin();
  Write("answer", Answer(R"("token": "abc", "expirationTimestamp": "2027-01-15T08:01:00Z")"));
  ASSERT_EQ(absl::FormatTime(clock_.now, absl::UTCTimeZone()), "2027-01-15T08:00:00+00:00");
  const auto credentials = MakeExecCredentials(plugin, clock_);
  EXPECT_EQ(credentials->Get().value(), KubeIdentity{.token = "abc"});
  EXPECT_EQ(credentials->Get().value(), KubeIdentity{.token = "abc"});
  EXPECT_EQ(Runs(), 1);
  EXPECT_EQ(ReadFile(folder_.path() + "/told").value(), "mild login");
  EXPECT_EQ(ReadFile(folder_.path() + "/info").value(),
            R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",)"
            R"("spec":{"cluster":{"server":"https://x"},"interactive":false}})");
  clock_.now += absl::Seconds(51);
  ASSERT_TRUE(credentials->Get().ok());
  EXPECT_EQ(Runs(), 2) << "what is about to expire is renewed";
}

TEST_F(CredentialsTest, ARefusedAnswerIsForgottenButNotANewerOne) {
  const auto credentials = MakeExecCredentials(Plugin(), clock_);
  const KubeIdentity first = credentials->Get().value();
  credentials->Refused(first);
  Write("answer", Answer(R"("clientCertificateData": "C", "clientKeyData": "K")"));
  const KubeIdentity second = credentials->Get().value();
  EXPECT_EQ(second, (KubeIdentity{.certificate = "C", .key = "K"}));
  // Another request with the first one is answered late.
  credentials->Refused(first);
  EXPECT_EQ(credentials->Get().value(), second);
  EXPECT_EQ(Runs(), 2);
}

TEST_F(CredentialsTest, AnswersThatAreNoneSayWhy) {
  const struct {
    std::string answer;
    const char* why;
  } cases[] = {
      {"", "did not write an ExecCredential"},
      {"no json", "did not write an ExecCredential"},
      {R"({"kind":"Pod"})", "did not write an ExecCredential"},
      {R"({"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"})", "v1beta1"},
      {R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"})", "without a status"},
      {Answer(""), "neither a token nor a certificate"},
      {Answer(R"("clientKeyData": "K")"), "but not the other"},
      {Answer(R"("token": 5)"), "neither a token nor a certificate"},
      {Answer(R"("token": "t", "expirationTimestamp": "tomorrow")"), "tomorrow"},
  };
  for (const auto& [answer, why] : cases) {
    const auto credentials = MakeExecCredentials(Plugin(), clock_);
    Write("answer", answer);
    const absl::Status status = credentials->Get().status();
    EXPECT_TRUE(absl::IsUnauthenticated(status)) << answer;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  }
}

TEST_F(CredentialsTest, APluginThatIsNotThereOrFailsSaysSo) {
  KubeExecPlugin plugin = Plugin();
  plugin.command[0] = Write("plugin", "#!/bin/sh\necho no such account >&2\nexit 3\n", 0700);
  const absl::Status failed = MakeExecCredentials(plugin, clock_)->Get().status();
  EXPECT_TRUE(absl::IsUnauthenticated(failed));
  EXPECT_THAT(std::string(failed.message()), HasSubstr("no such account"));
  plugin.command[0] = folder_.path() + "/absent";
  plugin.install_hint = "install it with care";
  const absl::Status absent = MakeExecCredentials(plugin, clock_)->Get().status();
  EXPECT_TRUE(absl::IsUnauthenticated(absent));
  EXPECT_THAT(std::string(absent.message()), HasSubstr("install it with care"));
}

}  // namespace
}  // namespace xpu
