#include "xpu-agent/core/representor_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/fake_representors.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class RepresentorTableTest : public ::testing::Test {
 protected:
  void Scan() { ASSERT_EQ(table_.Scan(model_), absl::OkStatus()); }

  Model model_;
  FakeRepresentors representors_{2};
  RepresentorTable table_{representors_};
};

TEST_F(RepresentorTableTest, HasTheFunctionsAndNotTheUplink) {
  representors_.Add("p0", "uplink");
  representors_.Add("pf0", "pf0hpf");
  representors_.Add("pf0sf88", "en3f0pf0sf88");
  Scan();
  EXPECT_THAT(table_.usable(), ElementsAre(Pair("host0-0", Representor{"pf0vf0", 1}),
                                           Pair("host0-1", Representor{"pf0vf1", 2}),
                                           Pair("host0-sf88", Representor{"en3f0pf0sf88", 5})));
  EXPECT_THAT(table_.health(), ElementsAre(Pair("host0-0", ""), Pair("host0-1", ""), Pair("host0-sf88", "")));
  EXPECT_FALSE(representors_.prepared().contains("uplink"));
}

TEST_F(RepresentorTableTest, FindsTheUplinkThatItWasToldOf) {
  RepresentorTable table(representors_, "uplink");
  ASSERT_EQ(table.Scan(model_), absl::OkStatus());
  EXPECT_EQ(table.uplink(), std::nullopt);
  representors_.Add("p0", "uplink");
  ASSERT_EQ(table.Scan(model_), absl::OkStatus());
  EXPECT_EQ(table.uplink(), (Representor{"uplink", 3, ""}));
  EXPECT_FALSE(table.usable().contains("uplink"));
  representors_.Remove("p0");
  ASSERT_EQ(table.Scan(model_), absl::OkStatus());
  EXPECT_EQ(table.uplink(), std::nullopt);
}

TEST_F(RepresentorTableTest, SaysHowDpdkFindsThem) {
  representors_.Add("p0", "uplink");
  RepresentorTable table(representors_, "uplink", "0000:03:00.0");
  ASSERT_EQ(table.Scan(model_), absl::OkStatus());
  EXPECT_EQ(table.usable().at("host0-1").dpdk_devargs, "0000:03:00.0,representor=pf0vf1");
  EXPECT_EQ(table.uplink()->dpdk_devargs, "0000:03:00.0");
}

TEST_F(RepresentorTableTest, OneThatWasMadeAnewHasAnotherNumber) {
  Scan();
  const auto before = table_.usable();
  Scan();
  EXPECT_EQ(table_.usable(), before);
  representors_.Remove("pf0vf0");
  representors_.Add("pf0vf0", "pf0vf0");
  Scan();
  EXPECT_THAT(table_.usable(), ElementsAre(Pair("host0-0", Representor{"pf0vf0", 3}),
                                           Pair("host0-1", Representor{"pf0vf1", 2})));
  // Another process comes to the same.
  RepresentorTable again(representors_);
  ASSERT_EQ(again.Scan(model_), absl::OkStatus());
  EXPECT_EQ(again.usable(), table_.usable());
}

TEST_F(RepresentorTableTest, SaysWhatIsWrongWithOneThatHasGoneOrCannotBeUsed) {
  Scan();
  representors_.Remove("pf0vf0");
  representors_.FailPrepare("pf0vf1", absl::InternalError("out of order"));
  Scan();
  EXPECT_THAT(table_.usable(), IsEmpty());
  EXPECT_THAT(table_.health(), ElementsAre(Pair("host0-0", HasSubstr("no interface")),
                                           Pair("host0-1", HasSubstr("out of order"))));
  representors_.FailPrepare("pf0vf1", absl::OkStatus());
  representors_.Add("pf0vf0", "pf0vf0");
  Scan();
  EXPECT_THAT(table_.health(), ElementsAre(Pair("host0-0", ""), Pair("host0-1", "")));
}

TEST_F(RepresentorTableTest, OneThatWasSetDownStaysOnTheSwitchAndIsNotHealthy) {
  Scan();
  const auto before = table_.usable();
  representors_.SetUp("pf0vf0", false);
  Scan();
  EXPECT_EQ(table_.usable(), before);
  EXPECT_THAT(table_.health(),
              ElementsAre(Pair("host0-0", HasSubstr("pf0vf0 of the DPU was set down")), Pair("host0-1", "")));
  // A pod that comes does not bring it up.
  model_.bridges["blue"].mtu = 9000;
  model_.ports["host0-0"].logical_bridges = {"blue"};
  ASSERT_EQ(table_.Prepare(model_), absl::OkStatus());
  Scan();
  EXPECT_THAT(table_.health().at("host0-0"), HasSubstr("was set down"));
  representors_.SetUp("pf0vf0", true);
  Scan();
  EXPECT_EQ(table_.health().at("host0-0"), "");
  // One that is made anew begins down and is brought up.
  representors_.Remove("pf0vf0");
  representors_.Add("pf0vf0", "pf0vf0");
  Scan();
  EXPECT_EQ(table_.health().at("host0-0"), "");
  // So is one that was away for a while, as in another namespace, under the number that it had.
  representors_.Hide("pf0vf0", true);
  Scan();
  EXPECT_THAT(table_.health().at("host0-0"), HasSubstr("no interface"));
  representors_.SetUp("pf0vf0", false);
  representors_.Hide("pf0vf0", false);
  Scan();
  EXPECT_EQ(table_.health().at("host0-0"), "");
}

TEST_F(RepresentorTableTest, GivesAFunctionTheMacOfItsPortWhereTheCardCan) {
  const MacAddress first({2, 0, 0, 0, 0, 7}), second({2, 0, 0, 0, 0, 8});
  model_.ports["host0-0"] = {.id = "host0-0", .mac = first};
  Scan();
  EXPECT_EQ(table_.PreparePort(model_, "host0-0"), absl::OkStatus());
  EXPECT_THAT(representors_.function_macs(), IsEmpty());
  representors_.SetFunctionMacs(true);
  model_.ports["host0-0"].mac = second;
  EXPECT_EQ(table_.PreparePort(model_, "host0-0"), absl::OkStatus());
  EXPECT_THAT(representors_.function_macs(), ElementsAre(Pair("pf0vf0", second)));
  // A function that was made anew has forgotten it.
  representors_.Remove("pf0vf0");
  representors_.Add("pf0vf0", "pf0vf0");
  representors_.SetFunctionMac("pf0vf0", first).IgnoreError();
  Scan();
  EXPECT_EQ(table_.PreparePort(model_, "host0-0"), absl::OkStatus());
  EXPECT_THAT(representors_.function_macs(), ElementsAre(Pair("pf0vf0", second)));
}

TEST_F(RepresentorTableTest, PreparesForTheMtuOfThePortsNetwork) {
  Scan();
  EXPECT_EQ(representors_.prepared()["pf0vf0"], 0u);
  model_.bridges["blue"].mtu = 9000;
  model_.ports["host0-0"].logical_bridges = {"blue"};
  // Its function may come later.
  model_.ports["host0-9"].logical_bridges = {"blue"};
  ASSERT_EQ(table_.Prepare(model_), absl::OkStatus());
  EXPECT_EQ(representors_.prepared()["pf0vf0"], 9000u);
  EXPECT_EQ(representors_.prepared()["pf0vf1"], 0u);
  representors_.FailPrepare("pf0vf0", absl::InvalidArgumentError("too large"));
  EXPECT_EQ(table_.Prepare(model_), absl::OkStatus());
  model_.bridges["blue"].mtu = 9100;
  EXPECT_EQ(table_.Prepare(model_).code(), absl::StatusCode::kInvalidArgument);
  representors_.Add("pf0vf9", "pf0vf9");
  Scan();
  EXPECT_EQ(representors_.prepared()["pf0vf9"], 9100u);
}

}  // namespace
}  // namespace xpu
