#include "common/kube/kube_cli.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(KubeCliTest, TakesAServerWithItsFilesOrAKubeconfig) {
  CLI::App app;
  KubeFlags flags;
  AddKubeFlags(app, flags, "for a test");
  app.parse(
      "--api-server https://host:6443 --api-ca ca --api-cert cert --api-key key --api-token-file token");
  EXPECT_EQ(flags.server, "https://host:6443");
  EXPECT_EQ(flags.ca + flags.certificate + flags.key + flags.token_file, "cacertkeytoken");
  EXPECT_TRUE(flags.given());

  CLI::App other;
  KubeFlags by_file;
  AddKubeFlags(other, by_file, "for a test");
  other.parse("--kubeconfig a:b --context c");
  EXPECT_EQ(by_file.kubeconfig, "a:b");
  EXPECT_EQ(by_file.context, "c");
}

TEST(KubeCliTest, WhatDoesNotGoTogetherIsRefused) {
  for (const char* arguments :
       {"--api-server unix:/a --kubeconfig b", "--api-ca ca", "--api-server unix:/a --api-cert cert",
        "--api-token-file token", "--context c"}) {
    CLI::App app;
    KubeFlags flags;
    AddKubeFlags(app, flags, "for a test");
    EXPECT_THROW(app.parse(arguments), CLI::ParseError) << arguments;
  }
}

}  // namespace
}  // namespace xpu
