#pragma once

#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/rpc/tls_testing.h"
#include "control-plane/apiserver/test_api_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace xpu {

// Kubernetes' own kubectl on an xpu-apiserver of the test's.
class KubectlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }

  KubectlTest() {
    char folder[] = "/tmp/xpu-kubectl-XXXXXX";
    folder_ = mkdtemp(folder);
    Write("tokens", "ann-token,ann,1\n");
    apiserver::ApiServerOptions options;
    options.listen = {"127.0.0.1:0", "tls:127.0.0.1:0"};
    options.tls = testing::TestAuthority(folder_, "ours").Sign("server");
    options.token_file = folder_ + "/tokens";
    server_ = std::make_unique<apiserver::TestApiServer>(options);
    // kubectl speaks TCP only; its configuration and its cache are those of this test alone.
    base_ = absl::StrCat("cd ", folder_, " && HOME=", folder_,
                         " KUBECONFIG=/dev/null kubectl --cache-dir=", folder_, "/cache ");
    command_ = absl::StrCat(base_, "--server=http://", server_->endpoints()[0], " ");
    Write("blue.yaml",
          "apiVersion: xpu.opiproject.org/v1alpha1\n"
          "kind: Network\n"
          "metadata: {name: blue, labels: {app: demo}}\n"
          "spec: {vni: 100, prefixes: [10.0.0.0/24]}\n");
  }
  ~KubectlTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Write(const std::string& file, const std::string& text) {
    std::ofstream(folder_ + "/" + file) << text;
  }
  // What it prints, errors included.
  std::string Kubectl(const std::string& arguments, bool succeeds = true) {
    return Run(command_ + arguments, succeeds);
  }
  // The same for a shell.
  std::string Command(const std::string& arguments) { return command_ + arguments; }
  // As whom a token says; kubectl shows it over TLS only.
  std::string KubectlAs(const std::string& token, const std::string& arguments, bool succeeds = true) {
    const std::string address(absl::StripPrefix(server_->endpoints()[1], "tls:"));
    return Run(absl::StrCat(base_, "--server=https://", address, " --certificate-authority=", folder_,
                            "/ours.ca.crt --token=", token, " ", arguments),
               succeeds);
  }

  // A shell's command, errors included.
  static std::string Run(const std::string& command, bool succeeds = true) {
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    std::string output;
    char buffer[4096];
    size_t got = 0;
    while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) output.append(buffer, got);
    const int status = pclose(pipe);
    EXPECT_EQ(WIFEXITED(status) && WEXITSTATUS(status) == 0, succeeds) << command << "\n" << output;
    return output;
  }

  std::string base_;
  std::string command_;
  std::string folder_;
  std::unique_ptr<apiserver::TestApiServer> server_;
};

}  // namespace xpu
