package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	officialaccount "github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
)

// callThrough has all calls of the SDK go to a listener that passes them on, until the file stop is there.
// It says each tenth call, and what it holds as its token, each that is new to it. The SDK asks for the
// next token when 300 s are left of one.
func callThrough(forward, stop string) {
	util.SetURIModifier(func(uri string) string { return strings.Replace(uri, weChat, forward, 1) })
	config := officialaccount.Config{
		AppID: appID, AppSecret: "key-of-web-0123456789", Cache: cache.NewMemory(), UseStableAK: true,
	}
	account := wechat.NewWechat().GetOfficialAccount(&config)
	seen := map[string]bool{}
	for count := 1; !exists(stop); count++ {
		held, err := account.GetAccessToken()
		if err != nil {
			fail("no token")
		}
		body, err := util.HTTPGet(ips + held)
		if err != nil || !strings.Contains(string(body), "ip_list") {
			fail("the call was refused")
		}
		if !seen[held] {
			fmt.Println("holds", held)
		}
		seen[held] = true
		if count%10 == 0 {
			fmt.Println("called", count)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
